"""What a collection did, or would do."""

from dataclasses import dataclass
from typing import Any

from imgrepl.errors import ImgreplError

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Packs that stay, and why."""

    reason: str
    packs: int
    bytes: int

    def as_json(self) -> Json:
        """Plain values."""
        return {"reason": self.reason, "packs": self.packs, "bytes": self.bytes}


@dataclass(frozen=True, kw_only=True)
class PlaceReport:
    """One place. `condemned` counts what was condemned now, `deleted` what is gone now.

    `failures` are objects that could not be deleted, and why: the next run tries again. Where
    `error` is set, the rest of this place was left as it was.
    """

    region: str
    place: str
    condemned_packs: int = 0
    condemned_bytes: int = 0
    deleted_packs: int = 0
    deleted_bytes: int = 0
    deleted_manifests: int = 0
    deleted_seals: int = 0
    deleted_moved: int = 0
    kept: tuple[Kept, ...] = ()
    unknown_objects: int = 0
    unknown_bytes: int = 0
    failures: tuple[str, ...] = ()
    error: ImgreplError | None = None

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "region": self.region,
            "place": self.place,
            "condemnedPacks": self.condemned_packs,
            "condemnedBytes": self.condemned_bytes,
            "deletedPacks": self.deleted_packs,
            "deletedBytes": self.deleted_bytes,
            "deletedManifests": self.deleted_manifests,
            "deletedSeals": self.deleted_seals,
            "deletedMoved": self.deleted_moved,
            "kept": [kept.as_json() for kept in self.kept],
            "unknownObjects": self.unknown_objects,
            "unknownBytes": self.unknown_bytes,
            "failures": list(self.failures),
            "error": _error(self.error),
        }


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What was freed in one place by moving what lives, or would be.

    `packs` of `pack_bytes` go, `new_packs` of `new_bytes` came in their stead. Where `error` is
    set, that is all that was done.
    """

    place: str
    packs: int = 0
    pack_bytes: int = 0
    new_packs: int = 0
    new_bytes: int = 0
    error: ImgreplError | None = None

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "place": self.place,
            "packs": self.packs,
            "packBytes": self.pack_bytes,
            "newPacks": self.new_packs,
            "newBytes": self.new_bytes,
            "error": _error(self.error),
        }


@dataclass(frozen=True, kw_only=True)
class FreedFiles:
    """Image files for links that went from a region; where `error` is set, they were left."""

    region: str
    files: int = 0
    bytes: int = 0
    error: ImgreplError | None = None

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "region": self.region,
            "files": self.files,
            "bytes": self.bytes,
            "error": _error(self.error),
        }


@dataclass(frozen=True, kw_only=True)
class CollectReport:
    """A whole collection.

    `ended_operations` had nobody left to work on them; `withdrawn_versions` were never committed
    and are gone with them, `adopted_versions` were committed by their record. `unknown_records` are
    records of which the index knows nothing: what they name is kept. `purged_versions` lay in a bin
    until their time was over; `unpurged_versions` should be gone too, with the reason why not.
    `compacted` is empty where it was not asked for.
    """

    dry_run: bool
    grace_seconds: float
    places: tuple[PlaceReport, ...]
    ended_operations: tuple[str, ...] = ()
    withdrawn_versions: tuple[str, ...] = ()
    adopted_versions: tuple[str, ...] = ()
    unknown_records: tuple[str, ...] = ()
    purged_versions: tuple[str, ...] = ()
    unpurged_versions: tuple[str, ...] = ()
    compacted: tuple[Compacted, ...] = ()
    freed_files: tuple[FreedFiles, ...] = ()

    @property
    def error(self) -> ImgreplError | None:
        """The first thing that kept a place from being collected, or compacted."""
        errors = [place.error for place in self.places]
        errors += [place.error for place in self.compacted]
        errors += [region.error for region in self.freed_files]
        return next((error for error in errors if error is not None), None)

    @property
    def deleted_packs(self) -> int:
        """In all places."""
        return sum(place.deleted_packs for place in self.places)

    @property
    def deleted_bytes(self) -> int:
        """Stored bytes of packs, in all places."""
        return sum(place.deleted_bytes for place in self.places)

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "dryRun": self.dry_run,
            "graceSeconds": self.grace_seconds,
            "condemnedPacks": sum(place.condemned_packs for place in self.places),
            "deletedPacks": self.deleted_packs,
            "deletedBytes": self.deleted_bytes,
            "places": [place.as_json() for place in self.places],
            "endedOperations": list(self.ended_operations),
            "withdrawnVersions": list(self.withdrawn_versions),
            "adoptedVersions": list(self.adopted_versions),
            "unknownRecords": list(self.unknown_records),
            "purgedVersions": list(self.purged_versions),
            "unpurgedVersions": list(self.unpurged_versions),
            "compacted": [place.as_json() for place in self.compacted],
            "freedFiles": [region.as_json() for region in self.freed_files],
        }


def _error(error: ImgreplError | None) -> Json | None:
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "hint": error.hint}
