"""A version goes to its regions phase by phase, and stops where one fails."""

from collections.abc import Sequence

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.engine.lease import Lease
from imgrepl.engine.replicator import region_parts, replicate
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.verifier import verify_version
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import replicas, versions
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.phases import Phases
from imgrepl.model.replica import Replica, ReplicaState, region_statuses

_PAUSE_STEP_SECONDS = 1.0


def roll_out(
    engine: Engine,
    lease: Lease,
    version: ImageVersion,
    phases: Phases,
    *,
    trusted: set[tuple[PlaceId, PackId]],
    only: set[str] | None = None,
) -> dict[str, str]:
    """Brings `version` to its regions, one phase after the other; gives those that lack it and why.

    The next phase begins when every region of the one before is complete, its replicas were
    verified and the pause is over. Regions of phases that were not begun are among the failed ones,
    with the phase that stopped them, and stay as they were. With `only`, phases without a region in
    it are passed over. Raises `Interrupted`; where a phase is done is found by the rows.
    """
    chosen = [group for group in phases.groups if only is None or not only.isdisjoint(group)]
    for number, group in enumerate(chosen):
        wanted = set(group) if only is None else set(group) & only
        new = not wanted <= _complete(engine, version)
        failures = replicate(engine, lease, version, trusted=trusted, only=wanted)
        failures = failures or _verify(engine, version, wanted)
        if failures:
            later = [name for rest in chosen[number + 1 :] for name in rest]
            where = f"phase {number + 1} of {len(chosen)} failed in {', '.join(sorted(failures))}"
            return failures | _hold_back(engine, version, later, f"not begun: {where}")
        _say(engine, version, number + 1, len(chosen), group)
        if new and number + 1 < len(chosen):
            _pause(engine, phases.pause_seconds)
    return {}


def _complete(engine: Engine, version: ImageVersion) -> set[str]:
    with engine.index.read() as tx:
        statuses = region_statuses(replicas.of_version(tx, version.id))
    return {one.region for one in statuses if one.state is ReplicaState.COMPLETED}


def _verify(engine: Engine, version: ImageVersion, regions: set[str]) -> dict[str, str]:
    """Looks at every replica of the phase; a region with a fault has failed, and says so."""
    failures: dict[str, str] = {}
    with engine.index.read() as tx:
        current = versions.get(tx, version.id)
    for part in region_parts(engine, version.id):
        if part.region not in regions:
            continue
        try:
            verdicts = verify_version(engine, current, [part], deep=False)
        except Interrupted:
            raise
        except ImgreplError as error:
            failures[part.region] = f"it could not be verified: {error.code}: {error.message}"
            continue
        faults = [fault for verdict in verdicts for fault in verdict.faults]
        if faults:
            first = faults[0]
            failures[part.region] = (
                f"{len(faults)} faults were found when it was verified, the first in"
                f" {first.place.name}: {first.key}: {first.reason}"
            )
    with engine.index.begin() as tx:
        for replica in replicas.of_version(tx, version.id):
            if replica.region in failures:
                _note(tx, version, replica, ReplicaState.REPLICATING)
                _note(tx, version, replica, ReplicaState.FAILED, failures[replica.region])
    return failures


def _hold_back(
    engine: Engine, version: ImageVersion, regions: Sequence[str], why: str
) -> dict[str, str]:
    """Says of regions whose turn did not come why; what was begun there before stays as it was."""
    held = [name for name in regions if name not in _complete(engine, version)]
    with engine.index.begin() as tx:
        for replica in replicas.of_version(tx, version.id):
            if replica.region in held and replica.state is ReplicaState.UNKNOWN:
                _note(tx, version, replica, ReplicaState.UNKNOWN, why)
    return dict.fromkeys(held, why)


def _note(
    tx: Connection, version: ImageVersion, replica: Replica, state: ReplicaState, detail: str = ""
) -> None:
    replicas.set_state(tx, version.id, replica.region, replica.number, state=state, detail=detail)


def _say(
    engine: Engine, version: ImageVersion, number: int, count: int, group: Sequence[str]
) -> None:
    text = f"phase {number} of {count} is complete and verified: {', '.join(group)}"
    engine.events(Notice(level="info", text=text, subject=str(version.id)))


def _pause(engine: Engine, seconds: float) -> None:
    until = engine.clock.monotonic() + seconds
    while (left := until - engine.clock.monotonic()) > 0:
        check_stop(engine.stop)
        engine.clock.sleep(min(left, _PAUSE_STEP_SECONDS))
