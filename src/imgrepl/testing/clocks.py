"""A clock that stands still until it is told otherwise."""

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Time passes only by `sleep` and `advance`; `slept_seconds` tells each sleep."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = now
        self._seconds = 0.0
        self._lock = threading.Lock()
        self.slept_seconds: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept_seconds.append(seconds)
            self._seconds += seconds

    def advance(self, seconds: float) -> None:
        """Lets time pass, slept by nobody."""
        with self._lock:
            self._seconds += seconds
