"""Runs a world from a seed: users, crashes, faults, damage; and looks at it after every step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from imgrepl.errors import ImgreplError
from imgrepl.testing.faulty import Crashed
from imgrepl.testing.invariants import Violation
from imgrepl.testing.simulation.checking import Checker
from imgrepl.testing.simulation.climate import Climate, climate_of
from imgrepl.testing.simulation.deeds import Deed, Deeds, WrongBytes
from imgrepl.testing.simulation.dice import dice
from imgrepl.testing.simulation.network import Server
from imgrepl.testing.simulation.processes import SimulatedDatabase
from imgrepl.testing.simulation.promises import Promises
from imgrepl.testing.simulation.rot import Rot
from imgrepl.testing.simulation.scheduler import Deadlock, Roll, Runaway, pick
from imgrepl.testing.simulation.settling import Settler
from imgrepl.testing.simulation.shelf import Shelf
from imgrepl.testing.simulation.takeovers import Takeovers
from imgrepl.testing.simulation.watcher import WriteOrderWatcher, injure
from imgrepl.testing.simulation.workload import Workload
from imgrepl.testing.simulation.world import (
    Running,
    SimulatedWorld,
    Work,
    make_template,
    open_world,
    region_at,
)

_TRACE_SHOWN = 60
_FOR_EVER_SECONDS = 1e9
_INDEXES_MAX = 3
"""How many indexes a world may have, one after the other."""
_HOSTS = ("here", "there")


class Simulation:
    """A world, its users' promises, and what watches them. One step at a time."""

    def __init__(self, world: SimulatedWorld, climate: Climate, roll: Roll) -> None:
        self.world = world
        self.climate = climate
        self.promises = Promises()
        self.told: list[str] = []
        self.counts: dict[str, int] = {}
        """How users' deeds ended."""
        self._befell: dict[str, int] = {}
        self._roll = roll
        self.deeds = Deeds(world.shelf, self.promises)
        self._workload = Workload(roll, self.deeds, self.promises)
        self.watcher = WriteOrderWatcher(world.network, world.eye)
        world.network.watcher = self.watcher
        self.checker = Checker(world, self.promises, self.watcher)
        self._rot = Rot(world, self.checker, roll, hopeless=climate.hopeless)
        self._kept: dict[str, Running] = {}
        self._settler = Settler(world, self.checker, self.deeds, self.tell)
        self.takeovers = Takeovers(world, climate, self.checker, self.watcher, self, roll)

    # ------------------------------------------------------------------ steps

    def step(self) -> None:
        """Something happens to the servers, users do one thing or two, and all is looked at."""
        self._befall()
        count = 1
        if self._roll() < self.climate.parallel:
            count = 2 + int(self._roll() * 2)
        deeds = [self._workload.next() for _ in range(count)]
        if self._roll() < self.climate.takeover and self.may_lose_index:
            self.lose_index(deeds)
        else:
            self.do_together(deeds)
        self.world.scheduler.sleep(self._roll() * 600)
        self.check()

    @property
    def may_lose_index(self) -> bool:
        """Whether another index could take over and know all that was promised."""
        return self.takeovers.are_possible

    def lose_index(self, deeds: Sequence[Deed]) -> None:
        """The index is lost in the midst of these deeds, and another one takes over."""
        self.takeovers.take_over(deeds)

    def settle(self) -> None:
        """All faults end, and everything must come right. Raises `Violation`."""
        self.stop_kept()
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
        return self.end_together(deeds, self.begin_all(deeds))

    def end_together(
        self, deeds: Sequence[Deed], works: Sequence[Work[object]]
    ) -> list[BaseException | None]:
        """Waits for deeds that were begun; gives how each ended."""
        ended = [work.wait() for work in works]
        for deed, work, error in zip(deeds, works, ended, strict=True):
            self._note(deed, error)
            if error is None:
                self._answer(deed, deeds)
            self._keep_or_stop(work.running, error)
        return ended

    def begin_all(self, deeds: Sequence[Deed]) -> list[Work[object]]:
        """Begins these deeds, each in a process of its own."""
        for deed in deeds:
            deed.asked(self.promises)
        return [self._begin(deed) for deed in deeds]

    def begin_slowly(self, deed: Deed, stop: int | None) -> Work[object]:
        """Begins a deed whose process is suspended at its step `stop`, until somebody thaws it."""
        deed.asked(self.promises)
        process = (running := self.world.start()).process
        process.freeze_in, process.freeze_seconds = stop, _FOR_EVER_SECONDS
        self.tell(f"{process.name}: {deed.what}; is suspended at step {stop}")
        return self.world.begin(running, deed.act)

    def end_all(self, deeds: Sequence[Deed], works: Sequence[Work[object]]) -> None:
        """Waits for deeds in the midst of which the index was lost: what they promised is open."""
        ended = [work.wait() for work in works]
        for deed, work, error in zip(deeds, works, ended, strict=True):
            self._note(deed, error)
            if deed.publishes or deed.deletes:
                self.promises.is_open(deed.name)
            self.world.stop(work.running)

    def stop_kept(self) -> None:
        """Ends the processes that wait for more to do."""
        for running in self._kept.values():
            self.world.stop(running)
        self._kept.clear()

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

    def _answer(self, deed: Deed, deeds: Sequence[Deed]) -> None:
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
            self._take_away(server, until=now + self._roll() * 4 * 3600)
        if self._roll() < self.climate.full:
            server.full_until = now + self._roll() * 3600
            self.tell_of("full server", f"{url} is full until {server.full_until:.0f}")
        if self._roll() < self.climate.storm:
            server.storm_until = now + self._roll() * 3600
            self.tell_of("storm of 503", f"storm at {url} until {server.storm_until:.0f}")
        if self._roll() < self.climate.jump:
            self.world.database_skew_seconds += (self._roll() * 2 - 1) * 3600
            skew = self.world.database_skew_seconds
            self.tell_of("clock set anew", f"the database's clock is off by {skew:.0f} s")
        if self._roll() < self.climate.damage:
            self.damage(url)
        if self._roll() < self.climate.takeover:
            self.world.save_index()

    def _take_away(self, server: Server, *, until: float) -> None:
        """One server, or all of its region."""
        alone = self._roll() < 0.5
        for url, other in sorted(self.world.network.servers.items()):
            if other is server or (not alone and region_at(url) == region_at(server.url)):
                other.away_until = until
                self.tell_of("server away", f"{url} is away until {until:.0f}")

    def tell_of(self, kind: str, text: str) -> None:
        """Counts what befell the world, and tells of it."""
        self._befell[kind] = self._befell.get(kind, 0) + 1
        self.tell(text)

    def faults(self) -> dict[str, int]:
        """How often what befell this world so far, by kind."""
        scheduler, climate = self.world.scheduler, self.climate
        kinds = {
            "crash": scheduler.crashes,
            "freeze": scheduler.freezes,
            "skewed clock": int(bool(climate.skew_seconds or climate.database_skew_seconds)),
            **self._befell,
            **self.world.network.faults(),
            **self.world.index_faults,
        }
        return {kind: times for kind, times in kinds.items() if times}

    def damage(self, url: str) -> None:
        """Rot of one object at rest; the last healthy copy only in hopeless worlds."""
        chosen = self._rot.choose(url)
        if chosen is not None:
            key, how = chosen
            self.tell_of(f"rot: {how} {key.split('/')[0]}", f"{how} {url}/{key}")
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
            _databases(),
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
def _databases() -> Sequence[SimulatedDatabase]:
    template = _scratch() / "template.sqlite3"
    make_template(template)
    paths = [_scratch() / f"index{number}.sqlite3" for number in range(1, _INDEXES_MAX + 1)]
    return [SimulatedDatabase(path, template) for path in paths]


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
