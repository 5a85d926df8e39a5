"""The end of a simulated world: all faults end, and everything must come right."""

from collections.abc import Callable
from typing import Any

from imgrepl.actions import collecting, following, index, operations, usage, verifying
from imgrepl.actions import version_deleting as deleting
from imgrepl.actions.context import Context
from imgrepl.errors import Corrupt, ImgreplError
from imgrepl.gallery import replicas
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.operation import OperationKind
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.invariants import Violation, nothing_unneeded_is_left, usage_equals_the_bytes
from imgrepl.testing.simulation.checking import Checker
from imgrepl.testing.simulation.deeds import Deeds
from imgrepl.testing.simulation.shelf import occupied_bytes
from imgrepl.testing.simulation.world import SimulatedWorld

_DAY_SECONDS = 86_400.0
Tell = Callable[[str], None]


class Settler:
    """Calm weather, every server back, one process; then work until nothing is left to do.

    Each stage raises `Violation` where anything is left that calm weather should have mended. Where
    a world is `hopeless`, what is lost must be said to be.
    """

    def __init__(
        self,
        world: SimulatedWorld,
        checker: Checker,
        deeds: Deeds,
        tell: Tell,
    ) -> None:
        self._world = world
        self._eye = world.eye
        self._checker = checker
        self._deeds = deeds
        self._tell = tell
        self._beyond: set[str] = set()
        """Packs that a repair said are beyond it."""

    def settle(self) -> None:
        """All stages, each followed by a look at everything."""
        self._world.scheduler.sleep(_DAY_SECONDS)
        self._world.network.weather = self._world.network.weather.calm()
        self._world.network.clear_up()
        for stage in (
            self.end_operations,
            self.end_deletions,
            self.complete_what_can_be,
            self.repair_all,
            self.complete_all,
            self.look_at_all,
            self.collect_all,
        ):
            self._tell(f"settling: {stage.__name__}")
            self._in_a_process(stage)
            found = self._checker.violations()
            if found:
                raise Violation("\n".join(found))
        self.check_usage()

    def _in_a_process(self, stage: Callable[[Context], None]) -> None:
        running = self._world.start()
        error = self._world.begin(running, stage).wait()
        self._world.stop(running)
        if error is not None:
            what = f"{stage.__name__} in calm weather: {type(error).__name__}: {error}"
            raise Violation(what) from error

    # ------------------------------------------------------------------ stages

    def end_operations(self, ctx: Context) -> None:
        """Takes up what was begun; what cannot be taken up is canceled."""
        for one in operations.list_all(ctx):
            if one.state.ended:
                continue
            try:
                if one.kind is OperationKind.PUBLISH:
                    operations.run(ctx, one.id)
                else:
                    operations.cancel(ctx, one.id)
            except ImgreplError as error:
                self._tell(f"operation {one.id}: {error.code}: {error}")
        left = [one.id for one in operations.list_all(ctx) if not one.state.ended]
        if left:
            raise Violation(f"operations {left} do not end")

    def end_deletions(self, ctx: Context) -> None:
        """Deletes what is being deleted."""
        for version in self._versions(ctx):
            if version.provisioning_state is ProvisioningState.DELETING:
                deleting.delete(ctx, version.id)

    def repair_all(self, ctx: Context) -> None:
        """Mends every version; what is beyond repair must have no healthy copy."""
        for version in self._versions(ctx):
            if not self._is_anywhere(ctx, version):
                continue
            report = verifying.repair(ctx, version.id)
            for fault in report["beyondRepair"]:
                self._check_beyond(fault)

    def _check_beyond(self, fault: dict[str, Any]) -> None:
        self._tell(f"beyond repair: {fault}")
        self._beyond.add(str(fault["pack"] or fault["object"]))
        if self._checker.has_healthy_copy(fault["object"], but=""):
            raise Violation(f"{fault} is said to be beyond repair and has a healthy copy")

    def complete_what_can_be(self, ctx: Context) -> None:
        """Completes every version where nothing is damaged; what rotted meanwhile comes next.

        So does a pack that a lie made look damaged.
        """
        for version in self._versions(ctx):
            if not self._is_complete(ctx, version):
                try:
                    following.retry(ctx, version.id)
                except Corrupt as error:
                    self._tell(f"{version.id} waits for its repair: {error}")

    def complete_all(self, ctx: Context) -> None:
        """Completes every version in every region."""
        self.complete_what_can_be(ctx)
        for version in self._versions(ctx):
            if not self._beyond and not self._is_complete(ctx, version):
                with ctx.index.read() as tx:
                    left = [r for r in replicas.of_version(tx, version.id) if r.detail]
                raise Violation(f"{version.id} does not become complete: {left}")

    def look_at_all(self, ctx: Context) -> None:
        """Verifies everything deeply and downloads it, from the region that got it last."""
        for version in self._versions(ctx):
            if self._beyond:
                continue
            report = verifying.verify(ctx, version.id, deep=True)
            states = {replica["state"] for replica in report["replicas"]}
            if states != {"healthy"}:
                raise Violation(f"{version.id} is not healthy after its repair: {report}")
            last = version.target_regions[-1].name
            self._deeds.check_download(ctx, version.id, last)

    def collect_all(self, ctx: Context) -> None:
        """Collects and compacts, twice; then nothing is left that nothing needs."""
        for _ in range(2):
            report = collecting.collect(ctx, dry_run=False, compacts=True)
            if report.error is not None:
                raise Violation(f"collecting: {report.error}")
        with self._eye.read() as tx:
            found = list(nothing_unneeded_is_left(self._checker.look(tx)))
        missing = None if self._beyond else index.check(ctx).error
        if found or missing is not None:
            details = missing.details if missing is not None else ()
            raise Violation("\n".join([*found, f"index check: {missing}", *details]))

    def check_usage(self) -> None:
        """What is billed and stored, against the bytes themselves."""
        if self._beyond:
            return
        running = self._world.start()
        work = self._world.begin(running, usage.report)
        error = work.wait()
        self._world.stop(running)
        if error is not None or work.answer is None:
            raise Violation(f"usage: {error}")
        with self._eye.read() as tx:
            look = self._checker.look(tx)
            occupied = {
                content_id: occupied_bytes(content)
                for content_id, content in self._checker.contents(look).items()
            }
            found = list(usage_equals_the_bytes(look, work.answer, occupied))
        if found:
            raise Violation("\n".join(found))

    # ------------------------------------------------------------------ looks

    def _versions(self, ctx: Context) -> list[ImageVersion]:
        with ctx.index.read() as tx:
            return rows.list_all(tx)

    def _is_anywhere(self, ctx: Context, version: ImageVersion) -> bool:
        with ctx.index.read() as tx:
            found = replicas.of_version(tx, version.id)
        return any(replica.state is ReplicaState.COMPLETED for replica in found)

    def _is_complete(self, ctx: Context, version: ImageVersion) -> bool:
        with ctx.index.read() as tx:
            found = replicas.of_version(tx, version.id)
        return all(replica.state is ReplicaState.COMPLETED for replica in found)
