"""Looks at image versions: one, many, the latest, the next number."""

from collections.abc import Iterable

from sqlalchemy import Connection

from imgrepl.actions import allowing, phased
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.errors import Invalid, NotFound
from imgrepl.gallery import candidates, proofs, replicas
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import versions as rows
from imgrepl.model import latest
from imgrepl.model.gallery import (
    VERSION_NUMBER_MAX,
    DefinitionId,
    ImageVersion,
    VersionDisk,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import OperationId
from imgrepl.model.policy import Action
from imgrepl.model.proof import Proof
from imgrepl.model.references import options_naming
from imgrepl.model.region import normal_region_name, roles_of
from imgrepl.model.replica import Replica, ReplicaState
from imgrepl.model.transfer import Transfer

LATEST = "latest"


def view(
    ctx: Context,
    version_id: VersionId,
    *,
    transfer: Transfer | None = None,
    operation: OperationId | None = None,
    explained: Iterable[str] | None = None,
) -> VersionView:
    """A version as it stands now. Raises `NotFound`."""
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        standing = tuple(replicas.of_version(tx, version_id))
        return VersionView(
            version=version,
            replicas=standing,
            proofs=_proofs(tx, version, standing),
            transfer=transfer,
            operation=operation or rows.operation_of(tx, version_id),
            explained=None if explained is None else tuple(explained),
            phases=phased.of_version(tx, version_id),
        )


def _proofs(
    tx: Connection, version: ImageVersion, standing: Iterable[Replica]
) -> dict[tuple[str, int], Proof]:
    """What is proven of each complete replica; one that lacks a healthy pack has no proof."""
    places = {(p.region, p.role, p.number): p.id for p in place_rows.list_all(tx)}
    found = {}
    for replica in standing:
        if replica.state is not ReplicaState.COMPLETED:
            continue
        roles = roles_of(replica.storage_account_type)
        at = [places.get((replica.region, role, replica.number)) for role in roles]
        proof = proofs.of_contents(tx, [p for p in at if p is not None], version.content_ids)
        if proof is not None and None not in at:
            found[replica.region, replica.number] = proof
    return found


def show(
    ctx: Context,
    definition: DefinitionId,
    name: str,
    *,
    region: str | None = None,
    explain: bool = False,
) -> VersionView:
    """One version, or the one that `latest` is, in `region` where given. Raises `NotFound`."""
    allowing.check(ctx, Action.VERSION_READ, scope_of(definition, name))
    where = None if region is None else normal_region_name(region)
    with ctx.index.read() as tx:
        version_id = resolve_name(tx, definition, name, where)
        explained = None
        if explain:
            at = where or rows.get(tx, version_id).location
            found = latest.explain(candidates.newest_first(tx, definition), at)
            explained = [f"in {at}, {line}" for line in found]
    return view(ctx, version_id, explained=explained)


def status(ctx: Context, version_id: VersionId) -> VersionView:
    """A version as it stands now, staged or published. Raises `NotFound`."""
    allowing.check(ctx, Action.VERSION_READ, version_id)
    return view(ctx, version_id)


def list_of(ctx: Context, definition: DefinitionId) -> list[VersionView]:
    """A definition's versions but those in the bin, newest first. Raises `NotFound`."""
    sees = allowing.seeing(ctx, Action.VERSION_READ, definition)
    with ctx.index.read() as tx:
        standing = replicas.of_definition(tx, definition)
        return [
            VersionView(version=version, replicas=tuple(standing.get(version.id.version, ())))
            for version in reversed(rows.list_of(tx, definition))
            if version.deletion is None and sees(version.id)
        ]


def scope_of(definition: DefinitionId, name: str) -> DefinitionId | VersionId:
    """What is looked at by this name: one version, or all of which `latest` is found."""
    if name.lower() == LATEST:
        return definition
    return definition.version(VersionName.parse(name))


def resolve_name(
    tx: Connection, definition: DefinitionId, name: str, region: str | None
) -> VersionId:
    """The version that `1.0.0` or `latest` names; staged ones are not found, those in a bin are.

    Raises `NotFound` (`VersionNotFound`, `NoLatestVersion`, `NotAvailableInRegion`) and `Invalid`.
    """
    if name.lower() != LATEST:
        version = rows.find(tx, definition.version(VersionName.parse(name)))
        if version is None or not version.committed:
            rows.list_of(tx, definition)
            raise NotFound(
                f"{definition} has no version {name}",
                code="VersionNotFound",
                target=name,
                hint=f"`imgrepl image-version list {options_naming(definition)}` shows those"
                " there are",
            )
        return version.id
    if region is not None:
        newest_first = candidates.newest_first(tx, definition)
        return definition.version(latest.resolve(definition, newest_first, region))
    found, _regions = latest.resolve_anywhere(definition, candidates.newest_first(tx, definition))
    return definition.version(found)


def next_name(ctx: Context, definition: DefinitionId, scheme: str | None) -> VersionName:
    """The number after the highest one, staged ones counted: `major`, `minor`, `patch` or `date`.

    The first version of a definition is 1.0.0, or the date. Raises `Invalid` (`InvalidVersion`)
    past the largest number.
    """
    allowing.check(ctx, Action.VERSION_WRITE, definition)
    with ctx.index.read() as tx:
        try:
            known = rows.list_of(tx, definition, include_staged=True)
        except NotFound:
            known = []
    if scheme == "date":
        now = ctx.clock.now()
        return VersionName(now.year, now.month * 100 + now.day, now.hour * 100 + now.minute)
    if not known:
        return VersionName(1, 0, 0)
    major, minor, patch = known[-1].id.version
    following = {
        "major": VersionName(major + 1, 0, 0),
        "minor": VersionName(major, minor + 1, 0),
        "patch": VersionName(major, minor, patch + 1),
    }[scheme or "patch"]
    if max(following) > VERSION_NUMBER_MAX:
        raise Invalid(
            f"{following} is past the largest number {VERSION_NUMBER_MAX}",
            code="InvalidVersion",
            target=str(definition),
            hint="count another part up, with --auto-version minor or major",
        )
    return following


def check_room(ctx: Context, tx: Connection, version: ImageVersion) -> None:
    """Whether one more version fits. Raises `Invalid` (`LimitExceeded`)."""
    present = rows.count(tx, version.id.gallery.subscription, version.location)
    where = f"subscription {version.id.gallery.subscription} in {version.location}"
    ctx.limits.check_room("image versions", present, ctx.limits.versions_max, where)


def is_complete(ctx: Context, version_id: VersionId) -> bool:
    """Whether every replica that the targets ask for is there, and no operation is left to end."""
    with ctx.index.read() as tx:
        found = replicas.of_version(tx, version_id)
        operation_id = rows.operation_of(tx, version_id)
    done = all(replica.state is ReplicaState.COMPLETED for replica in found)
    return done and operation_id is None


def differences(existing: ImageVersion, wanted: ImageVersion, *, content: bool) -> list[str]:
    """In which fields two descriptions of one version differ, one line each.

    With `content`, what only a committed version has is left out of the comparison.
    """
    names = ["location", "target_regions", "exclude_from_latest", "end_of_life_date", "tags"]
    names += ["storage_account_type", "storage_account_strategy", "safety", "replication_mode"]
    lines = []
    for name in names:
        old, new = getattr(existing, name), getattr(wanted, name)
        if old != new and not (name == "tags" and dict(old) == dict(new)):
            lines.append(f"{name}: is {_shown(old)}, asked for {_shown(new)}")
    if content and len(existing.disks) != len(wanted.disks):
        lines.append(f"disks: has {len(existing.disks)}, asked for {len(wanted.disks)}")
    return lines


def update_command(existing: ImageVersion, wanted: ImageVersion) -> str:
    """The command that would make `existing` like `wanted`, as far as that can change."""
    targets = " ".join(
        f"{t.name}={t.replica_count}={t.storage_account_type.value.lower()}"
        for t in wanted.target_regions
    )
    named = options_naming(wanted.id)
    command = f"imgrepl image-version update {named} --target-regions {targets}"
    if existing.replication_mode is not wanted.replication_mode:
        command += f" --replication-mode {wanted.replication_mode}"
    if existing.exclude_from_latest != wanted.exclude_from_latest:
        command += f" --exclude-from-latest {str(wanted.exclude_from_latest).lower()}"
    own = _exclusions(wanted) | dict.fromkeys(_exclusions(existing).keys() - _exclusions(wanted))
    if _exclusions(existing) != _exclusions(wanted):
        words = {True: "true", False: "false", None: "unset"}
        said = " ".join(f"{name}={words[value]}" for name, value in sorted(own.items()))
        command += f" --exclude-from-latest-in {said}"
    return command


def _exclusions(version: ImageVersion) -> dict[str, bool | None]:
    return {
        target.name: target.exclude_from_latest
        for target in version.target_regions
        if target.exclude_from_latest is not None
    }


def disk_of(version: ImageVersion, lun: int | None) -> VersionDisk:
    """The OS disk (None) or a data disk. Raises `NotFound` (`DiskNotFound`)."""
    for disk in version.disks:
        if disk.lun == lun:
            return disk
    luns = ", ".join("os" if disk.lun is None else str(disk.lun) for disk in version.disks)
    raise NotFound(
        f"{version.id} has no data disk with LUN {lun}; it has {luns}",
        code="DiskNotFound",
        target=str(lun),
        hint=f"name one of {luns}",
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{t.name}={t.replica_count}={t.storage_account_type}" for t in value)
    return str(value)
