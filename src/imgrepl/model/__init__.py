"""Values and rules of the gallery and of the copy engine: no I/O, no clock, no randomness."""
