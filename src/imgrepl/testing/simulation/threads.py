"""The standard library's threads, built on a scheduler's turns.

Locks, and with them conditions, events, semaphores, futures and executors, wait by the scheduler
while it reigns; threads are its tasks; a timeout is a moment of its time.
"""

import _thread
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from unittest import mock

from imgrepl.testing.simulation.scheduler import Scheduler, Task


class CooperativeLock:
    """A `threading.Lock` whose waiters hand on their turn."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held = False
        self._waiting: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`. Raises `Crashed` instead of waiting in a dead process."""
        if not self.locked():
            self._held = True
            return True
        if not blocking or timeout == 0:
            return False
        task = self._scheduler.current()
        assert task is not None, "a thread from outside waits for a lock of the world"
        until = None if timeout < 0 else self._scheduler.now + timeout
        while self.locked():
            left = None if until is None else until - self._scheduler.now
            if left is not None and left <= 0:
                return False
            self._waiting.append(task)
            try:
                self._scheduler.park(left)
            finally:
                self._waiting = [waiter for waiter in self._waiting if waiter is not task]
        self._held = True
        return True

    def release(self) -> None:
        """As `threading.Lock.release`; in a dead process nobody minds who held it."""
        task = self._scheduler.current()
        if not self._held and (task is None or not task.is_dead):
            raise RuntimeError("release unlocked lock")
        self._held = False
        for waiter in self._waiting:
            self._scheduler.wake(waiter)

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._held = False


class CooperativeQueue:
    """A `queue.SimpleQueue` whose waiters hand on their turn."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._count = threading.Semaphore(0)

    def put(self, item: object) -> None:
        """Takes an item and does not wait."""
        self._items.append(item)
        self._count.release()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401
        """The oldest item. Raises `queue.Empty`."""
        if not self._count.acquire(block, timeout):
            raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:  # noqa: ANN401
        """The oldest item. Raises `queue.Empty`."""
        return self.get(block=False)


@contextmanager
def cooperative_threads(scheduler: Scheduler) -> Iterator[None]:
    """Whatever a task makes inside has the scheduler's turns; other threads make real things."""
    real_lock, real_rlock, real_queue = threading.Lock, threading.RLock, queue.SimpleQueue
    real_thread = threading.Thread

    def lock() -> Any:  # noqa: ANN401
        return real_lock() if scheduler.current() is None else CooperativeLock(scheduler)

    def rlock() -> Any:  # noqa: ANN401
        pure = threading._RLock  # the one built on `_allocate_lock`
        return real_rlock() if scheduler.current() is None else pure()

    def simple_queue() -> Any:  # noqa: ANN401
        return real_queue() if scheduler.current() is None else CooperativeQueue()

    def thread(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        if scheduler.current() is None:
            return real_thread(*args, **options)
        return CooperativeThread(scheduler, *args, **options)

    def now() -> float:
        return scheduler.now

    def number_of(future: Future[Any]) -> int:
        return future.__dict__.setdefault("_number", scheduler.numbered())  # type: ignore[no-any-return]

    with (
        mock.patch.object(threading, "Lock", lock),
        mock.patch.object(threading, "_allocate_lock", lock),
        mock.patch.object(threading, "RLock", rlock),
        mock.patch.object(threading, "Thread", thread),
        mock.patch.object(threading, "_time", now),
        mock.patch.object(queue, "SimpleQueue", simple_queue),
        mock.patch.object(Future, "__hash__", number_of),  # who waits for many gets a set of them
    ):
        yield


class CooperativeThread:
    """A `threading.Thread` that is a task of the process that makes it."""

    def __init__(
        self,
        scheduler: Scheduler,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        assert group is None, "thread groups do not exist"
        self._scheduler = scheduler
        self._target = target
        self._args, self._kwargs = args, dict(kwargs or {})
        self._task: Task | None = None
        self._number = scheduler.numbered()
        self.name = name or "thread"
        self.daemon = bool(daemon)
        self.ident: int | None = None

    def __hash__(self) -> int:
        """Executors keep threads in a set and join them in its order: the same in each run."""
        return self._number

    def start(self) -> None:
        """Makes it ready; the caller goes on."""
        maker = self._scheduler.current()
        process = maker.process if maker is not None else None
        name = f"{process.name}/{self.name}" if process is not None else self.name
        self._task = self._scheduler.spawn(self.run, name=name, process=process)

    def run(self) -> None:
        """What the thread does."""
        self.ident = _thread.get_ident()
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end."""
        assert self._task is not None, "a thread is started before it is joined"
        if not self._task.done:
            self._scheduler.join(self._task, timeout)

    def is_alive(self) -> bool:
        """Whether it has begun and not ended."""
        return self._task is not None and not self._task.done
