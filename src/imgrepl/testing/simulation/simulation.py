"""Runs a world from a seed: users, crashes, faults, damage; and looks at it after every step."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from imgrepl.errors import ImgreplError
from imgrepl.testing.faulty import Crashed
from imgrepl.testing.invariants import Violation
from imgrepl.testing.simulation.checking import Checker
from imgrepl.testing.simulation.climate import Climate, climate_of
from imgrepl.testing.simulation.dice import dice
from imgrepl.testing.simulation.processes import SimulatedDatabase
from imgrepl.testing.simulation.promises import Promises
from imgrepl.testing.simulation.scheduler import Deadlock, Roll, Runaway, pick
from imgrepl.testing.simulation.settling import Settler
from imgrepl.testing.simulation.shelf import Shelf
from imgrepl.testing.simulation.watcher import WriteOrderWatcher, injure
from imgrepl.testing.simulation.workload import Deed, Workload, WrongBytes
from imgrepl.testing.simulation.world import (
    Running,
    SimulatedWorld,
    Work,
    make_template,
    open_world,
)

_TRACE_SHOWN = 60
_HOSTS = ("here", "there")
_INJURIES = ("flip", "truncate", "swap", "delete")


class Simulation:
    """A world, its users' promises, and what watches them. One step at a time."""

    def __init__(self, world: SimulatedWorld, climate: Climate, roll: Roll) -> None:
        self.world = world
        self.climate = climate
        self.promises = Promises()
        self.told: list[str] = []
        self.counts: dict[str, int] = {}
        self._roll = roll
        self.workload = Workload(roll, world.shelf, self.promises)
        self.watcher = WriteOrderWatcher(world.network, world.eye)
        world.network.watcher = self.watcher
        self.checker = Checker(world, self.promises, self.watcher)
        self._kept: dict[str, Running] = {}
        self._settler = Settler(world, self.checker, self.workload, self.tell)

    # ------------------------------------------------------------------ steps

    def step(self) -> None:
        """Something happens to the servers, users do one thing or two, and all is looked at."""
        self._befall()
        if self._roll() < self.climate.parallel:
            self.do_together([self.workload.next() for _ in range(2 + int(self._roll() * 2))])
        else:
            self.do_together([self.workload.next()])
        self.world.scheduler.sleep(self._roll() * 600)
        self.check()

    def settle(self) -> None:
        """All faults end, and everything must come right. Raises `Violation`."""
        for running in self._kept.values():
            self.world.stop(running)
        self._kept.clear()
        self._settler.settle()

    def check(self) -> None:
        """Raises `Violation` with everything that does not hold."""
        found = self.checker.violations()
        if found:
            raise Violation("\n".join(found))

    def do(self, deed: Deed, *, crash_in: int | None = None) -> BaseException | None:
        """One user does this, in a process that dies after so many steps; gives how it ended."""
        deed.asked(self.promises)
        running = self._process("here")
        running.process.crash_in, running.process.freeze_in = crash_in, None
        self.tell(f"{running.process.name}: {deed.what}; crash in {crash_in}")
        error = self.world.begin(running, deed.act).wait()
        self._note(deed, error)
        if error is None:
            deed.answered(self.promises)
        self._keep_or_stop(running, error)
        return error

    def do_together(self, deeds: list[Deed]) -> list[BaseException | None]:
        """Users do these things at once, each in a process of its own; gives how each ended."""
        for deed in deeds:
            deed.asked(self.promises)
        works = [self._begin(deed) for deed in deeds]
        ended = [work.wait() for work in works]
        for deed, work, error in zip(deeds, works, ended, strict=True):
            self._note(deed, error)
            if error is None:
                self._answer(deed, deeds)
            self._keep_or_stop(work.running, error)
        return ended

    def _begin(self, deed: Deed) -> Work[object]:
        host = pick(self._roll, _HOSTS) if self._roll() < 0.3 else "here"
        running = self._process(host)
        process = running.process
        process.crash_in = process.freeze_in = None
        if self._roll() < self.climate.crash:
            process.crash_in = 1 + int(self._roll() ** 2 * 400)
        if self._roll() < self.climate.freeze:
            process.freeze_in = 1 + int(self._roll() ** 2 * 400)
            process.freeze_seconds = self._roll() * 200
        self.tell(f"{process.name} on {host}: {deed.what}; crash in {process.crash_in}")
        return self.world.begin(running, deed.act)

    def _process(self, host: str) -> Running:
        kept = self._kept.pop(host, None)
        if kept is not None:
            return kept
        skew = (self._roll() * 2 - 1) * self.climate.skew_seconds
        return self.world.start(host=host, skew_seconds=skew)

    def _answer(self, deed: Deed, deeds: list[Deed]) -> None:
        rivals = [other for other in deeds if other is not deed and other.name == deed.name]
        if any(other.deletes != deed.deletes for other in rivals) and (
            deed.publishes or deed.deletes
        ):
            self.promises.is_open(deed.name)
        else:
            deed.answered(self.promises)

    def _keep_or_stop(self, running: Running, error: BaseException | None) -> None:
        """A process that did well may do more, as a service does; a command ends."""
        host = running.process.host
        if error is None and host not in self._kept and self._roll() < 0.5:
            self._kept[host] = running
        else:
            self.world.stop(running)

    def _note(self, deed: Deed, error: BaseException | None) -> None:
        match error:
            case None:
                how = "done"
            case Crashed():
                how = "crashed"
            case ImgreplError():
                how = error.code
            case _:
                raise Violation(f"{deed.what}: {type(error).__name__}: {error}") from error
        self.counts[how] = self.counts.get(how, 0) + 1
        self.tell(f"{deed.what}: {how} {error if isinstance(error, ImgreplError) else ''}")

    def tell(self, text: str) -> None:
        """One line for the report of a failing seed."""
        self.told.append(f"{self.world.scheduler.now:.1f} {text}")
        self.world.scheduler.trace.append(self.told[-1])

    # ------------------------------------------------------------------ what befalls the servers

    def _befall(self) -> None:
        servers = sorted(self.world.network.servers.items())
        if not servers:
            return
        now = self.world.scheduler.now
        url, server = pick(self._roll, servers)
        if self._roll() < self.climate.outage:
            server.away_until = now + self._roll() * 4 * 3600
            self.tell(f"{url} is away until {server.away_until:.0f}")
        if self._roll() < self.climate.full:
            server.full_until = now + self._roll() * 3600
            self.tell(f"{url} is full until {server.full_until:.0f}")
        if self._roll() < self.climate.damage:
            self._damage(url)

    def _damage(self, url: str) -> None:
        """Rot of one pack or manifest at rest; the last healthy copy only in hopeless worlds."""
        listed = [info.key for info in self.world.network.servers[url].store.list("")]
        fitting = [key for key in listed if key.startswith(("packs/", "manifests/"))]
        if not fitting:
            return
        key, how = pick(self._roll, fitting), pick(self._roll, _INJURIES)
        if self.climate.hopeless or self.checker.has_healthy_copy(key, but=url):
            self.tell(f"{how} {url}/{key}")
            injure(self.world.network, self.watcher, url, key, how)


# ---------------------------------------------------------------------- from a seed


def simulate(seed: int, *, steps: int | None = None) -> Simulation:
    """A whole life of a world. Raises `Violation` with the seed, what was done, and the trace."""
    with opened(seed) as simulation:
        try:
            for _ in range(simulation.climate.steps if steps is None else steps):
                simulation.step()
            simulation.settle()
        except (AssertionError, Deadlock, Runaway, WrongBytes) as error:
            raise Violation(report(simulation, seed, error)) from error
        return simulation


@contextmanager
def opened(seed: int, climate: Climate | None = None) -> Iterator[Simulation]:
    """The world of a seed, empty."""
    climate = climate or climate_of(dice(seed, 1))
    with TemporaryDirectory(prefix="imgrepl-simulation-", dir=_fast_folder()) as folder:
        world_of = open_world(
            Path(folder),
            _shelf(),
            dice(seed, 2),
            _database(),
            weather=climate.weather,
            options=climate.options,
        )
        with world_of as world:
            world.database_skew_seconds = climate.database_skew_seconds
            yield Simulation(world, climate, dice(seed, 3))


def report(simulation: Simulation, seed: int, error: BaseException) -> str:
    """What a failing seed is told by."""
    lines = [
        f"seed {seed}: {type(error).__name__}",
        str(error),
        "",
        "climate:",
        f"  {simulation.climate}",
        "what was done:",
        *(f"  {line}" for line in simulation.told),
        "",
        f"last {_TRACE_SHOWN} steps of {simulation.world.scheduler.steps}:",
        *(f"  {line}" for line in simulation.world.scheduler.trace[-_TRACE_SHOWN:]),
    ]
    return "\n".join(lines)


@cache
def _database() -> SimulatedDatabase:
    template = _scratch() / "template.sqlite3"
    make_template(template)
    return SimulatedDatabase(_scratch(), template)


@cache
def _shelf() -> Shelf:
    return Shelf(_scratch() / "disks")


@cache
def _scratch() -> Path:
    folder = TemporaryDirectory(prefix="imgrepl-simulation-", dir=_fast_folder())
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[TemporaryDirectory[str]] = []
"""Folders that live as long as the process."""


def _fast_folder() -> str | None:
    memory = Path("/dev/shm")  # noqa: S108 - where there is one, files cost no disk
    return str(memory) if memory.is_dir() else None
