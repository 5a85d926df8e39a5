"""Threads that take turns, by dice, in a time of their own.

Every thread of the code under test is a real one, but only one runs at any moment, and it hands on
only where it waits: for a lock, a queue, another thread, a moment, or at a `pause`. Who goes on is
rolled. When all wait, time jumps to the next moment that somebody waits for; when nobody waits for
a moment, nothing can ever happen again, and that is a `Deadlock`.

So a run is a function of the dice, as far as the code under test asks nothing else: see
`docs/guarantees.md` for what that leaves out.
"""

import _thread
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from imgrepl.testing.faulty import Crashed

Roll = Callable[[], float]
"""Gives numbers from 0 up to 1, such as `random.Random(seed).random`."""

_Item = TypeVar("_Item")
_STEPS_MAX = 2_000_000


class Deadlock(AssertionError):
    """Every thread waits for another one; the text says where."""


class Runaway(AssertionError):
    """The world takes no end."""


def pick(roll: Roll, items: Sequence[_Item]) -> _Item:
    """One of `items`, by one roll."""
    return items[int(roll() * len(items))]


@dataclass(eq=False)
class Process:
    """A process of the simulated world: its threads die together.

    `crash_in` counts its steps down: at zero it dies. While `frozen_until` is in the future none of
    its threads goes on, as in a suspended machine.
    """

    name: str
    host: str = "here"
    pid: int = 0
    dead: bool = False
    crash_in: int | None = None
    frozen_until: float = 0.0
    freeze_in: int | None = None
    freeze_seconds: float = 0.0
    steps: int = 0


@dataclass(eq=False)
class Task:
    """One thread. It is ready, waits for `wake_at`, or for somebody to make it ready."""

    name: str
    process: Process | None
    number: int
    ready: bool = True
    wake_at: float | None = None
    done: bool = False
    error: BaseException | None = None
    gate: _thread.LockType = field(default_factory=_thread.allocate_lock)
    joiners: list["Task"] = field(default_factory=list)

    @property
    def is_dead(self) -> bool:
        """Whether its process died under it."""
        return self.process is not None and self.process.dead


class Scheduler:
    """Owns time and turns. The thread that makes it is its first task."""

    def __init__(self, roll: Roll) -> None:
        self._roll = roll
        self.now = 0.0
        self.trace: list[str] = []
        self.steps = 0
        self.crashes = self.freezes = 0
        self._tasks: list[Task] = []
        self._by_thread: dict[int, Task] = {}
        self._made = 0
        self._fatal: BaseException | None = None
        self._closed = False
        self._main = self._new("main", None)
        self._adopt(self._main)

    # ------------------------------------------------------------------ asked by tasks

    def current(self) -> Task | None:
        """The task of the calling thread; None for a thread from outside the world."""
        return self._by_thread.get(_thread.get_ident())

    def pause(self, what: str) -> None:
        """A step of the world: noted, counted, and others may go first.

        Raises `Crashed` where the process of the caller is dead, or dies here.
        """
        task = self._mine()
        self.steps += 1
        self.trace.append(f"{self.now:.3f} {task.name}: {what}")
        if self.steps > _STEPS_MAX:
            raise Runaway(f"{self.steps} steps and no end")
        self._count(task, what)
        task.ready = True
        self._switch(task)

    def sleep(self, seconds: float) -> None:
        """Goes on when `seconds` have passed. Raises `Crashed`."""
        task = self._mine()
        task.ready, task.wake_at = False, self.now + max(0.0, seconds)
        self._switch(task)

    def park(self, seconds: float | None) -> None:
        """Waits to be made ready, or for `seconds` at most. Raises `Crashed`."""
        task = self._mine()
        task.ready = False
        task.wake_at = None if seconds is None else self.now + max(0.0, seconds)
        self._switch(task)

    def wake(self, task: Task) -> None:
        """Makes a parked task ready; the caller goes on."""
        if not task.done:
            task.ready = True

    # ------------------------------------------------------------------ tasks and processes

    def spawn(self, body: Callable[[], None], *, name: str, process: Process | None = None) -> Task:
        """A new task that runs `body`; it begins when it is its turn."""
        task = self._new(name, process)

        def run() -> None:
            self._adopt(task)
            task.gate.acquire()
            try:
                if not task.is_dead and self._fatal is None:
                    body()
            except BaseException as error:  # noqa: BLE001 - who joins the task looks at it
                task.error = error
            self._end(task)

        _thread.start_new_thread(run, ())
        return task

    def join(self, task: Task, seconds: float | None = None) -> bool:
        """Waits for the end of a task; whether it came. Raises `Crashed`."""
        until = None if seconds is None else self.now + seconds
        while not task.done:
            if until is not None and self.now >= until:
                return False
            task.joiners.append(self._mine())
            self.park(None if until is None else until - self.now)
        return True

    def thaw(self, process: Process) -> None:
        """A frozen process goes on at once."""
        process.frozen_until = 0.0
        process.freeze_in = None

    def kill(self, process: Process) -> None:
        """The process is dead: each of its threads raises `Crashed` where it stands."""
        process.dead = True
        process.frozen_until = 0.0
        for task in self._tasks:
            if task.process is process:
                self.wake(task)

    def drain(self, process: Process) -> None:
        """Waits until all threads of a process have ended."""
        for task in [task for task in self._tasks if task.process is process]:
            self.join(task)

    def close(self) -> None:
        """Ends every thread that is left: each raises `Crashed` where it stands."""
        self._closed = True
        while others := [task for task in self._tasks if task is not self._main]:
            for task in others:
                self.wake(task)
                if task.process is not None:
                    task.process.frozen_until = 0.0
            self._main.ready = True
            self._hand_on(self._main)
        del self._by_thread[_thread.get_ident()]

    def _count(self, task: Task, what: str) -> None:
        process = task.process
        if process is None or process.dead:
            return
        process.steps += 1
        if process.crash_in is not None:
            process.crash_in -= 1
            if process.crash_in <= 0:
                self.trace.append(f"{self.now:.3f} {task.name}: dies at {what}")
                self.crashes += 1
                self.kill(process)
                return
        if process.freeze_in is not None:
            process.freeze_in -= 1
            if process.freeze_in <= 0:
                self.trace.append(f"{self.now:.3f} {task.name}: freezes at {what}")
                self.freezes += 1
                process.freeze_in = None
                process.frozen_until = self.now + process.freeze_seconds

    # ------------------------------------------------------------------ turns

    def numbered(self) -> int:
        """A number that nothing had before: an identity that is the same in each run."""
        self._made += 1
        return self._made

    def _new(self, name: str, process: Process | None) -> Task:
        task = Task(name=name, process=process, number=self.numbered())
        task.gate.acquire()
        self._tasks.append(task)
        return task

    def _adopt(self, task: Task) -> None:
        self._by_thread[_thread.get_ident()] = task

    def _mine(self) -> Task:
        task = self.current()
        assert task is not None, "a thread from outside waits in the world"
        return task

    def _switch(self, task: Task) -> None:
        """Hands on; returns when it is `task`'s turn again."""
        self._live(task)
        self._hand_on(task)
        self._live(task)
        if task is self._main and self._fatal is not None:
            fatal, self._fatal = self._fatal, None
            raise fatal

    def _live(self, task: Task) -> None:
        """The dead wait for nothing. Raises `Crashed`."""
        if task.is_dead or (self._closed and task is not self._main):
            task.ready, task.wake_at = True, None
            raise Crashed(f"{task.name} after the crash")

    def _hand_on(self, task: Task) -> None:
        following = self._next()
        if following is task:
            return
        following.gate.release()
        task.gate.acquire()

    def _end(self, task: Task) -> None:
        task.done, task.ready = True, False
        self._tasks.remove(task)
        del self._by_thread[_thread.get_ident()]
        for joiner in task.joiners:
            self.wake(joiner)
        self._next().gate.release()

    def _next(self) -> Task:
        """Who goes on. Time passes only when nobody can."""
        if self._fatal is not None:
            return self._main
        while True:
            self._wake_due()
            ready = [task for task in self._tasks if task.ready and not self._frozen(task)]
            if ready:
                chosen = ready[0] if len(ready) == 1 else pick(self._roll, ready)
                chosen.wake_at = None
                return chosen
            moments = [at for task in self._tasks if (at := self._due(task)) is not None]
            if not moments:
                self._fatal = Deadlock(self._standing())
                return self._main
            self.now = max(self.now, min(moments))

    def _frozen(self, task: Task) -> bool:
        return task.process is not None and task.process.frozen_until > self.now

    def _due(self, task: Task) -> float | None:
        thaws = task.process.frozen_until if task.process is not None else 0.0
        if task.ready:
            return thaws
        return None if task.wake_at is None else max(task.wake_at, thaws)

    def _wake_due(self) -> None:
        for task in self._tasks:
            if not task.ready and task.wake_at is not None and task.wake_at <= self.now:
                task.ready = True

    def _standing(self) -> str:
        """Where every thread stands, for the report of a deadlock."""
        frames = sys._current_frames()
        lines = ["nobody can go on:"]
        for thread, task in self._by_thread.items():
            frame = frames.get(thread)
            if frame is None:
                continue
            stack = [s for s in traceback.extract_stack(frame) if "/testing/" not in s.filename]
            where = " < ".join(f"{s.filename}:{s.lineno}" for s in reversed(stack[-4:]))
            lines.append(f"  {task.name}: {where}")
        return "\n".join(lines)
