"""What another list of target regions changes: regions that come and go, counts up and down."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.model.gallery import TargetRegion
from imgrepl.model.replica import Replica, replicas_of


class CountChange(NamedTuple):
    """A region that stays, with another number of replicas."""

    region: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class TargetChanges:
    """The difference between two lists of targets, and what it moves.

    `copies_bytes` is what lies in packs that the new replicas' places lack, at most; None where
    that is not known before a source is read. `frees_bytes` is what `collect` may free in the
    places of the replicas that are given up.
    """

    added: tuple[TargetRegion, ...] = ()
    removed: tuple[TargetRegion, ...] = ()
    counts: tuple[CountChange, ...] = ()
    copies_bytes: int | None = 0
    frees_bytes: int = 0

    @property
    def is_none(self) -> bool:
        """Whether no replica comes or goes."""
        return not (self.added or self.removed or self.counts)


def between(before: Iterable[TargetRegion], after: Iterable[TargetRegion]) -> TargetChanges:
    """What is added, removed, raised and lowered, in the order of the lists."""
    old = {target.name: target for target in before}
    new = {target.name: target for target in after}
    return TargetChanges(
        added=tuple(target for name, target in new.items() if name not in old),
        removed=tuple(target for name, target in old.items() if name not in new),
        counts=tuple(
            CountChange(name, old[name].replica_count, target.replica_count)
            for name, target in new.items()
            if name in old and old[name].replica_count != target.replica_count
        ),
    )


def replicas_between(
    before: Iterable[TargetRegion], after: Iterable[TargetRegion]
) -> tuple[list[Replica], list[Replica]]:
    """The replicas that come, and those that go."""
    old, new = replicas_of(before), replicas_of(after)
    kept = {(replica.region, replica.number) for replica in old}
    wanted = {(replica.region, replica.number) for replica in new}
    return (
        [replica for replica in new if (replica.region, replica.number) not in kept],
        [replica for replica in old if (replica.region, replica.number) not in wanted],
    )
