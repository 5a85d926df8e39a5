"""When this process looks for garbage: not while it starts, and seldom afterwards.

A start loads modules with some 300,000 objects, of which none is garbage and which Python's
collector would walk again and again: a fifth of the processor time of a short command.
"""

import gc

_YOUNG_OBJECTS = 100_000
"""New objects between two looks at them; garbage that waits for one takes some 10 MB at most."""


def put_off() -> None:
    """Nothing is collected until `settle`."""
    gc.disable()


def settle() -> None:
    """What was loaded until now is here to stay; from here on garbage is looked for elsewhere.

    Does nothing in a process that did not put it off: it may be called again when more was loaded.
    """
    if gc.isenabled() and gc.get_threshold()[0] != _YOUNG_OBJECTS:
        return
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    gc.enable()
