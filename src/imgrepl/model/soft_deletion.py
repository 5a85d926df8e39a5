"""The bin: what a soft deletion makes of a version, what brings it back, and what it forbids.

active ── delete ──▶ usable by number ── retention over ──▶ only to be brought back
   ▲                        │                                        │
   └──────── undelete ──────┴────────────────────────────────────────┤
                                                     grace over ──▶ purged
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from imgrepl.errors import Conflict
from imgrepl.model.gallery import (
    Gallery,
    ImageVersion,
    ProvisioningState,
    SoftDeletion,
    TargetRegion,
)


def put_in(
    version: ImageVersion, gallery: Gallery, now: datetime, *, only_first: Collection[str]
) -> ImageVersion:
    """The version as it lies in its gallery's bin from `now` on.

    In the regions `only_first`, where replica 0 is complete, it keeps that one alone; elsewhere
    another may be the only good one, and all stay.
    """
    assert version.deletion is None, f"{version.id} is in the bin"
    usable_until = now + timedelta(days=gallery.soft_delete_retention_days)
    deletion = SoftDeletion(
        deleted_at=now,
        consumption_ends_at=usable_until,
        hard_deletion_at=usable_until + timedelta(days=gallery.soft_delete_grace_days),
        replica_counts={target.name: target.replica_count for target in version.target_regions},
    )
    reduced = tuple(
        replace(target, replica_count=1) if target.name in only_first else target
        for target in version.target_regions
    )
    return replace(version, target_regions=reduced, deletion=deletion)


def taken_out(version: ImageVersion, now: datetime) -> ImageVersion:
    """The version as it was before it was deleted.

    Raises `Conflict`: `HardDeletionDue` once its time is over (`collect` may be at it),
    `MarkedForDeletion`.
    """
    deletion = version.deletion
    assert deletion is not None, f"{version.id} is not in the bin"
    _refuse_deleting(version)
    if is_expired(version, now):
        raise Conflict(
            f"{version.id} was to be deleted for good at {_moment(deletion.hard_deletion_at)}",
            code="HardDeletionDue",
            target=str(version.id),
            hint="a gallery keeps deleted versions longer with"
            " `imgrepl gallery update --soft-delete-retention-days`",
        )
    return replace(
        version,
        target_regions=tuple(_refilled(target, deletion) for target in version.target_regions),
        deletion=None,
    )


def is_expired(version: ImageVersion, now: datetime) -> bool:
    """Whether it lies in the bin and its time there is over."""
    return version.deletion is not None and now >= version.deletion.hard_deletion_at


def check_active(version: ImageVersion) -> None:
    """That it may be changed. Raises `Conflict` (`MarkedForDeletion`, `VersionSoftDeleted`)."""
    _refuse_deleting(version)
    if version.deletion is not None:
        raise Conflict(
            f"{version.id} was deleted at {_moment(version.deletion.deleted_at)} and lies in the"
            " bin",
            code="VersionSoftDeleted",
            target=str(version.id),
            hint="`imgrepl image-version undelete` brings it back, `purge` frees its number",
        )


def check_usable(version: ImageVersion, now: datetime) -> None:
    """That its content may be used, by its number. Raises `Conflict` (`ConsumptionEnded`)."""
    deletion = version.deletion
    if deletion is not None and now >= deletion.consumption_ends_at:
        raise Conflict(
            f"{version.id} was deleted and could be used until"
            f" {_moment(deletion.consumption_ends_at)}",
            code="ConsumptionEnded",
            target=str(version.id),
            hint="`imgrepl image-version undelete` brings it back until"
            f" {_moment(deletion.hard_deletion_at)}",
        )


def _refuse_deleting(version: ImageVersion) -> None:
    if version.provisioning_state is ProvisioningState.DELETING:
        raise Conflict(
            f"{version.id} is being deleted: all that can be done is to delete it again",
            code="MarkedForDeletion",
            target=str(version.id),
            hint="`imgrepl image-version delete` ends what was begun",
        )


def _refilled(target: TargetRegion, deletion: SoftDeletion) -> TargetRegion:
    count = deletion.replica_counts.get(target.name, target.replica_count)
    return replace(target, replica_count=count)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
