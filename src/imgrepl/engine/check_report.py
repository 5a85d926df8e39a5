"""Where the gallery index and the buckets differ."""

from dataclasses import dataclass
from typing import Any

from imgrepl.errors import Corrupt, ImgreplError

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One object that is not what a row says; or, as `unknown`, one that has no row."""

    place: str
    object: str
    reason: str

    def as_json(self) -> Json:
        """Plain values."""
        return {"place": self.place, "object": self.object, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """All differences. `unread` are regions that could not be listed, and why."""

    places: int
    objects: int
    faults: tuple[Difference, ...]
    unknown: tuple[Difference, ...]
    unread: tuple[tuple[str, ImgreplError], ...]

    @property
    def error(self) -> ImgreplError | None:
        """`Corrupt` where anything is missing; else why a region could not be looked at."""
        if self.faults:
            return Corrupt(
                f"{len(self.faults)} objects that the gallery index names are not there",
                code="IndexDiffers",
                details=[f"{f.place}: {f.object}: {f.reason}" for f in self.faults[:20]],
                hint="`imgrepl image-version repair` mends a version from its other replicas",
            )
        return self.unread[0][1] if self.unread else None

    def as_json(self) -> Json:
        """Plain values."""
        return {
            "places": self.places,
            "objects": self.objects,
            "faults": [fault.as_json() for fault in self.faults],
            "unknown": [unknown.as_json() for unknown in self.unknown],
            "unread": [
                {"region": region, "code": error.code, "message": error.message}
                for region, error in self.unread
            ],
        }
