"""The shipped test kit; nothing else here imports it."""
