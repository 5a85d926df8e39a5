"""A stop that was asked for: looked at between two steps, never in the middle of one."""

import threading

from imgrepl.errors import Interrupted


def check_stop(stop: threading.Event) -> None:
    """Raises `Interrupted` when `stop` is set."""
    if stop.is_set():
        raise Interrupted(
            "stopped as asked; what is durable stays",
            hint="run the same command again to go on from there",
        )
