"""What a rebuild brought back, and what it could not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imgrepl.errors import Corrupt, ImgreplError

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlaceRebuilt:
    """What was found in one place. `new_packs` had no row before."""

    place: str
    packs: int = 0
    new_packs: int = 0
    bytes: int = 0
    moved: int = 0
    manifests: int = 0
    seals: int = 0

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "place": self.place,
            "packs": self.packs,
            "newPacks": self.new_packs,
            "bytes": self.bytes,
            "moved": self.moved,
            "manifests": self.manifests,
            "seals": self.seals,
        }


@dataclass(frozen=True, kw_only=True)
class RegionRebuilt:
    """One region that was named. `error` says why it, or a part of it, could not be read."""

    region: str
    records: int = 0
    places: tuple[PlaceRebuilt, ...] = ()
    error: ImgreplError | None = None

    def as_json(self) -> Json:
        """Plain values."""
        error = self.error
        return {
            "region": self.region,
            "records": self.records,
            "places": [place.as_json() for place in self.places],
            "error": None if error is None else {"code": error.code, "message": error.message},
        }


@dataclass(frozen=True, kw_only=True)
class RebuildReport:
    """A whole rebuild; counts are of what the index holds now out of the records that were read.

    `other_regions` maps regions that versions stand in and that were not read to the number of
    these versions; `unregistered` are those of them that the index does not know. `damaged` are
    records and manifests that no region gave whole, `skipped` what cannot stand beside what is
    there, `elsewhere` versions whose content lies in regions that were not read, each with its
    reason.
    """

    store_id: str
    epoch: int
    regions: tuple[RegionRebuilt, ...]
    galleries: int = 0
    definitions: int = 0
    versions: int = 0
    tombstones: int = 0
    replicas_completed: int = 0
    other_regions: Mapping[str, int] = field(default_factory=dict)
    unregistered: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def error(self) -> ImgreplError | None:
        """Why the index is not all that it was; None where everything named was read."""
        if self.damaged:
            return Corrupt(
                f"{len(self.damaged)} records or manifests could not be read",
                code="RecordDamaged",
                details=self.damaged[:20],
                hint="name another region that has them with --from; nothing is deleted where they"
                " lie",
            )
        return next((one.error for one in self.regions if one.error is not None), None)

    @property
    def unread(self) -> tuple[str, ...]:
        """What is not in the index although something of it lies there, each with the reason."""
        errors = [f"{one.region}: {one.error.message}" for one in self.regions if one.error]
        return (*self.damaged, *self.skipped, *errors)

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "storeId": self.store_id,
            "epoch": self.epoch,
            "galleries": self.galleries,
            "imageDefinitions": self.definitions,
            "imageVersions": self.versions,
            "tombstones": self.tombstones,
            "replicasCompleted": self.replicas_completed,
            "regions": [region.as_json() for region in self.regions],
            "otherRegions": dict(self.other_regions),
            "unregisteredRegions": list(self.unregistered),
            "damaged": list(self.damaged),
            "skipped": [*self.skipped, *self.elsewhere],
        }
