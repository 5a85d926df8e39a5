"""The gallery index is lost while processes work with it, and another one takes the store over.

It is a new one, or an older one that was restored. Whatever processes of the lost one still do, or
sent before and comes late, nothing may be lost that the new one names (F-8, F-9).
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from imgrepl.actions import collecting, index
from imgrepl.actions.context import Context
from imgrepl.errors import ImgreplError
from imgrepl.layout import keys
from imgrepl.testing.faulty import Crashed
from imgrepl.testing.invariants import Violation
from imgrepl.testing.simulation.checking import Checker
from imgrepl.testing.simulation.climate import Climate
from imgrepl.testing.simulation.deeds import Deed
from imgrepl.testing.simulation.scheduler import Roll
from imgrepl.testing.simulation.watcher import WriteOrderWatcher
from imgrepl.testing.simulation.weather import LIES
from imgrepl.testing.simulation.world import REGIONS, SimulatedWorld, Work, region_at

_Answer = TypeVar("_Answer")
_ATTEMPTS_IN_THE_WEATHER = 3


class Users(Protocol):
    """What a takeover asks of the simulation that it happens in."""

    def begin_all(self, deeds: Sequence[Deed]) -> list[Work[object]]:
        """Begins these deeds, each in a process of its own."""

    def end_all(self, deeds: Sequence[Deed], works: Sequence[Work[object]]) -> None:
        """Waits for them; what they promised stays open."""

    def stop_kept(self) -> None:
        """Ends the processes that wait for more to do."""

    def tell_of(self, kind: str, text: str) -> None:
        """Counts what befell the world, and tells of it."""


class Takeovers:
    """Loses the index of a world, and brings another one."""

    def __init__(
        self,
        world: SimulatedWorld,
        climate: Climate,
        checker: Checker,
        watcher: WriteOrderWatcher,
        users: Users,
        roll: Roll,
    ) -> None:
        self._world = world
        self._climate = climate
        self._checker = checker
        self._watcher = watcher
        self._users = users
        self._roll = roll

    @property
    def are_possible(self) -> bool:
        """Not where bytes were damaged: then it may be that nobody can tell what was there."""
        lies = any(getattr(self._climate.weather, name) for name in LIES)
        if lies or self._watcher.injured:
            return False
        return self._world.has_another_index and bool(self._regions())

    def take_over(self, deeds: Sequence[Deed]) -> None:
        """Loses the index in the midst of `deeds`. Raises `Violation` where it does not return."""
        works = self._users.begin_all(deeds)
        self._world.scheduler.sleep(self._roll() ** 3 * 300)
        alone = all(work.has_ended for work in works)
        lost = self._world.network.reigning
        collects = self._roll() < 0.5
        self.replace(by_backup=self._roll() < 0.5, collects_first=alone and collects)
        if self._roll() < 0.5:
            self._ask(lambda ctx: collecting.collect(ctx, dry_run=False), number_of_index=lost)
        self._users.end_all(deeds, works)

    def replace(self, *, by_backup: bool, collects_first: bool = False) -> None:
        """Another index comes and rebuilds itself.

        It is the last backup, if there is one. Somebody may collect with that before he rebuilds
        it: then nobody must be left who works with the one that was lost.
        """
        self._users.stop_kept()
        restored = self._world.replace_index(by_backup=by_backup)
        kind = "older index restored" if restored else "index lost"
        self._users.tell_of(kind, f"{kind}: number {self._world.network.reigning} takes over")
        if restored and collects_first:
            self._ask(lambda ctx: collecting.collect(ctx, dry_run=False, compacts=True))
        self._rebuild()
        self._checker.skip_moves()

    def _rebuild(self) -> None:
        """As often as it takes: in the weather as it is, then in calm."""
        network, weather = self._world.network, self._world.network.weather
        for _ in range(_ATTEMPTS_IN_THE_WEATHER):
            crash_in = 1 + int(self._roll() ** 2 * 400)
            crashes = self._roll() < self._climate.crash
            if self._try_to_rebuild(crash_in if crashes else None) is None:
                return
        network.weather = weather.calm()
        network.clear_up()
        why = self._try_to_rebuild(None)
        if why is not None:
            raise Violation(f"a rebuild in calm weather fails: {why}")
        network.weather = weather

    def _try_to_rebuild(self, crash_in: int | None) -> str | None:
        """Why the index is not whole now."""
        names = self._regions()

        def rebuild(ctx: Context) -> str | None:
            report = index.rebuild(ctx, names)
            return None if report.error is None else str(report.error)

        answer, error = self._ask(rebuild, crash_in=crash_in)
        return answer if error is None else str(error)

    def _ask(
        self,
        body: Callable[[Context], _Answer],
        *,
        crash_in: int | None = None,
        number_of_index: int | None = None,
    ) -> tuple[_Answer | None, BaseException | None]:
        running = self._world.start(number_of_index=number_of_index)
        running.process.crash_in = crash_in
        work = self._world.begin(running, body)
        error = work.wait()
        self._world.stop(running)
        if error is not None and not isinstance(error, (ImgreplError, Crashed)):
            raise Violation(f"taking over: {type(error).__name__}: {error}") from error
        return work.answer, error

    def _regions(self) -> list[str]:
        """The regions that have a store by now, in whichever of their places."""
        found = {
            region_at(url)
            for url, server in self._world.network.servers.items()
            if any(True for _ in server.store.list(keys.STORE_KEY))
        }
        return [region.name for region in REGIONS if region.name in found]
