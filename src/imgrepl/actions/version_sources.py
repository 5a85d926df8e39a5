"""From the sources that a new version names to its disks: files, objects, another version's."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import source_rules, versions
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import VERSION_SCHEME, DiskRequest, absolute, pointed_at
from imgrepl.actions.version_requests import CreateVersion
from imgrepl.errors import Invalid
from imgrepl.gallery import versions as rows
from imgrepl.model import soft_deletion
from imgrepl.model.gallery import ImageVersion, VersionDisk
from imgrepl.model.references import parse_version_reference


def disks_of(ctx: Context, tx: Connection, request: CreateVersion) -> list[DiskRequest]:
    """How each disk is read; those of a shallow version are the sources that it points at.

    Raises `NotFound` for a version that does not exist, `Conflict` (`ConsumptionEnded`), `Invalid`
    (`SourceMismatch`, `DiskTooLarge`).
    """
    named: list[tuple[int | None, str]] = [(None, request.os_disk), *request.data_disks.items()]
    if len(named) == 1 and request.os_disk.startswith(VERSION_SCHEME):
        source = _version(tx, request.os_disk)
        if source.is_shallow:
            soft_deletion.check_usable(source, ctx.clock.now())
            source_rules.check(ctx, tx, request.id.definition, source)
            return [pointed_at(disk, sha256=request.sha256) for disk in source.disks]
    return [
        DiskRequest(
            lun=lun,
            source=absolute(source),
            parents=tuple(absolute(parent) for parent in request.parents.get(lun, ())),
            sha256=request.sha256,
            ignore_checksum=request.ignore_checksum,
            size_from_geometry=request.size_from_geometry,
        )
        for lun, source in named
    ]


def staged_disks(
    ctx: Context, tx: Connection, request: CreateVersion, disks: Sequence[DiskRequest]
) -> tuple[VersionDisk, ...]:
    """The disks before anything was read; those of another version have their content already.

    Raises `Invalid` (`InvalidDiskLayout`, `SourceMismatch`, `DiskTooLarge`), `Conflict`
    (`ConsumptionEnded`), `NotFound`.
    """
    from_version = [disk for disk in disks if disk.source.startswith(VERSION_SCHEME)]
    caching = request.host_caching
    if not from_version:
        ctx.limits.check_luns(request.data_disks)
        _check_caching(request, [disk.lun for disk in disks])
        return tuple(
            VersionDisk(lun=disk.lun, source=disk.source, host_caching=caching.get(disk.lun))
            for disk in disks
        )
    if len(disks) != 1:
        raise Invalid(
            f"a version that is made from another one takes all of its disks, and {len(disks)} are"
            " named: name no data disks",
            code="InvalidDiskLayout",
            target=str(request.id),
            hint="name the version alone, as --os-disk imgrepl:GALLERY/NAME/VERSION",
        )
    source = _version(tx, disks[0].source)
    soft_deletion.check_usable(source, ctx.clock.now())
    source_rules.check(ctx, tx, request.id.definition, source)
    _check_caching(request, [disk.lun for disk in source.disks])
    return tuple(
        replace(
            disk,
            source=_by_its_number(disks[0].source, source),
            host_caching=caching.get(disk.lun, disk.host_caching),
        )
        for disk in source.disks
    )


def _check_caching(request: CreateVersion, luns: Sequence[int | None]) -> None:
    for lun in request.host_caching:
        if lun not in luns:
            raise Invalid(
                f"host caching is stated for the LUN {lun}, which is no disk of {request.id}",
                code="InvalidDiskLayout",
                target=str(lun),
                hint="its data disks have the LUNs "
                + (", ".join(str(known) for known in luns if known is not None) or "of none"),
            )


def _by_its_number(reference: str, version: ImageVersion) -> str:
    """The reference as it was written, with the version's number where that was `latest`."""
    return f"{reference.rpartition('/')[0]}/{version.id.version}"


def _version(tx: Connection, reference: str) -> ImageVersion:
    definition, name = parse_version_reference(reference.removeprefix(VERSION_SCHEME))
    return rows.get(tx, versions.resolve_name(tx, definition, name, None))
