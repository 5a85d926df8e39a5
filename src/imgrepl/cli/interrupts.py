"""Ctrl-C: the first stops taking new work, the second ends the process at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgrepl.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns signals into `stop`, which the engine looks at between two steps."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    @contextmanager
    def cooperative(self) -> Iterator[threading.Event]:
        """While inside, the first signal sets `stop`, and the second exits with 130 at once."""
        previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield self.stop
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set():
            os._exit(Interrupted.exit_status)
        self.stop.set()
        # A raw write: the signal may have come in the middle of a buffered one.
        message = b"\nStopping; what is durable stays. Ctrl-C again ends at once.\n"
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, message)
