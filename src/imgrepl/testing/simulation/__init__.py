"""A whole world in one thread of control: every run of a seed takes the same steps."""
