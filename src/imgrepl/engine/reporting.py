"""One stage's progress: started, so far, ended, as events that are neither lost nor too many."""

import threading
from types import TracebackType
from typing import Self

from imgrepl.engine.context import Engine
from imgrepl.errors import Interrupted
from imgrepl.model.events import Progressed, StageEnded, StageStarted

_INTERVAL_SECONDS = 0.1


class Reporter:
    """Tells of one stage and subject. `advance` may be called from many threads.

    As a context manager it ends the stage: `Completed`, `Interrupted`, or `Failed` with the reason.
    """

    def __init__(self, engine: Engine, stage: str, subject: str) -> None:
        self._engine = engine
        self._stage = stage
        self._subject = subject
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._done_items = 0
        self._told_at = 0.0

    def begin(self, bytes_total: int | None = None, items_total: int | None = None) -> None:
        """Announces the stage and, where it is known, how much there is to do."""
        self._engine.events(
            StageStarted(
                stage=self._stage,
                subject=self._subject,
                bytes_total=bytes_total,
                items_total=items_total,
            )
        )

    def advance(self, bytes_done: int) -> None:
        """`bytes_done` since the stage began, in all."""
        now = self._engine.clock.monotonic()
        with self._lock:
            self._done_bytes = max(self._done_bytes, bytes_done)
            if now - self._told_at < _INTERVAL_SECONDS:
                return
            self._told_at = now
        self._tell()

    def add(self, more_bytes: int) -> None:
        """`more_bytes` were done."""
        with self._lock:
            total = self._done_bytes + more_bytes
        self.advance(total)

    def add_item(self) -> None:
        """One more of the things that `begin` counted was done."""
        with self._lock:
            self._done_items += 1
        self._tell()

    def _tell(self) -> None:
        self._engine.events(
            Progressed(
                stage=self._stage,
                subject=self._subject,
                bytes_done=self._done_bytes,
                items_done=self._done_items,
            )
        )

    def end(self, outcome: str, detail: str = "") -> None:
        """Tells the last count and how the stage ended."""
        self._tell()
        self._engine.events(
            StageEnded(stage=self._stage, subject=self._subject, outcome=outcome, detail=detail)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.end("Completed")
        elif isinstance(error, Interrupted):
            self.end("Interrupted")
        else:
            self.end("Failed", str(error))
