"""The phases of a version's roll-out: kept with the operation, and taken up by the next one."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from imgrepl.errors import Conflict
from imgrepl.gallery import operations, replicas
from imgrepl.model.gallery import ImageVersion, TargetRegion, VersionId
from imgrepl.model.operation import OperationKind
from imgrepl.model.phases import Phases
from imgrepl.model.replica import ReplicaState, region_statuses


def of_request(request: Mapping[str, Any]) -> Phases | None:
    """What an operation's request says of phases, if anything."""
    asked = request.get("phases")
    return None if asked is None else Phases.from_json(asked)


def checked(phases: Phases | None, targets: Iterable[TargetRegion], home: str) -> Phases | None:
    """The phases for these targets. Raises `Invalid` (`InvalidPhases`)."""
    return None if phases is None else phases.checked([target.name for target in targets], home)


def of_version(tx: Connection, version_id: VersionId) -> Phases | None:
    """The phases of the operation that brings, or last brought, the version to its regions."""
    latest = operations.latest(tx, OperationKind.PUBLISH, str(version_id))
    return None if latest is None else of_request(latest.request)


def left_over(tx: Connection, version: ImageVersion) -> Phases | None:
    """The phases of a roll-out that is not at its end, for the version's targets."""
    phases = of_version(tx, version.id)
    targets = [target.name for target in version.target_regions]
    if phases is None or _complete(tx, version.id).issuperset(targets):
        return None
    return phases.following(targets)


def check_reached(tx: Connection, version: ImageVersion, region: str) -> None:
    """That a region's turn has come. Raises `Conflict` (`PhaseNotReached`)."""
    phases = left_over(tx, version)
    if phases is None:
        return
    done = _complete(tx, version.id)
    waiting = [name for name in phases.before(region) if name not in done]
    if waiting:
        raise Conflict(
            f"{region} comes after {', '.join(waiting)} in the phases of {version.id}, which is not"
            " complete there",
            code="PhaseNotReached",
            target=region,
            hint="`imgrepl image-version retry` goes on phase by phase; with --all-at-once it"
            " forgets the phases",
        )


def _complete(tx: Connection, version_id: VersionId) -> set[str]:
    statuses = region_statuses(replicas.of_version(tx, version_id))
    return {one.region for one in statuses if one.state is ReplicaState.COMPLETED}
