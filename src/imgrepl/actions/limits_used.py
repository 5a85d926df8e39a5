"""How much of each limit is used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.gallery import resource_counts
from imgrepl.gallery.resource_counts import Scope
from imgrepl.model.limits import Limits


@dataclass(frozen=True, kw_only=True)
class LimitUse:
    """One limit: what is used of it, and what is left.

    Counts are of a subscription in a region. Replicas and bytes are those of the version or the
    disk that comes nearest to its limit, and have no `scope`. `unit` is `Count` or `Bytes`.
    """

    name: str
    scope: Scope | None
    used: int
    limit: int
    unit: str = "Count"

    @property
    def left(self) -> int:
        """How much more there may be; none where the limit was lowered below what is there."""
        return max(0, self.limit - self.used)


def of_index(tx: Connection, limits: Limits) -> tuple[LimitUse, ...]:
    """Every limit, by subscription and region where it is counted so."""
    counted = {
        "galleries": (resource_counts.galleries_by_scope(tx), limits.galleries_max),
        "imageDefinitions": (resource_counts.definitions_by_scope(tx), limits.definitions_max),
        "imageVersions": (resource_counts.versions_by_scope(tx), limits.versions_max),
    }
    scopes = sorted({scope for found, _limit in counted.values() for scope in found})
    counts = [
        use
        for name, (found, limit) in counted.items()
        for use in _counts(name, scopes, found, limit)
    ]
    largest = resource_counts.largest(tx)
    return (
        *counts,
        LimitUse(
            name="replicasPerRegion",
            scope=None,
            used=largest.replica_count,
            limit=limits.replicas_max,
        ),
        LimitUse(
            name="diskBytes",
            scope=None,
            used=largest.disk_bytes,
            limit=limits.disk_bytes_max,
            unit="Bytes",
        ),
        LimitUse(
            name="shallowDiskBytes",
            scope=None,
            used=largest.shallow_disk_bytes,
            limit=limits.shallow_disk_bytes_max,
            unit="Bytes",
        ),
    )


def _counts(
    name: str, scopes: list[Scope], found: Mapping[Scope, int], limit: int
) -> Iterator[LimitUse]:
    for scope in scopes:
        yield LimitUse(name=name, scope=scope, used=found.get(scope, 0), limit=limit)
