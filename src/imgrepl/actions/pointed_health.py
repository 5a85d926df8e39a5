"""What a verification says of a shallow version: is its source there, and still the same?"""

from collections.abc import Sequence
from dataclasses import replace

from imgrepl.actions import pointed_reads
from imgrepl.actions.context import Context
from imgrepl.engine.verifier import Fault, Health, ReplicaHealth
from imgrepl.errors import Corrupt, Invalid, NotAllowed, NotFound
from imgrepl.model.gallery import ImageVersion, VersionDisk
from imgrepl.model.region import Place


def source_faults(ctx: Context, version: ImageVersion, place: Place, *, deep: bool) -> list[Fault]:
    """A fault for each disk whose source is gone, is another one or cannot be read.

    Deep: every byte is read. Raises `Unavailable` where a source does not answer.
    """
    found = ((disk, _fault_of(ctx, version, disk, deep=deep)) for disk in version.disks)
    return [Fault(place, disk.source, None, reason) for disk, reason in found if reason]


def judged(
    verdicts: Sequence[ReplicaHealth], sources: Sequence[Fault]
) -> tuple[ReplicaHealth, ...]:
    """The verdicts on its one replica's documents, with what is wrong with its sources."""
    if not sources or not verdicts:
        return tuple(verdicts)
    first, *others = verdicts
    gone = all(fault.reason.startswith(_GONE) for fault in sources)
    health = Health.MISSING if gone and not first.faults else Health.DAMAGED
    return (replace(first, health=health, faults=(*first.faults, *sources)), *others)


_GONE = "it is gone"


def _fault_of(ctx: Context, version: ImageVersion, disk: VersionDisk, *, deep: bool) -> str | None:
    try:
        with pointed_reads.opened(ctx, version, disk, None, None) as readable:
            if deep:
                readable.export(_Nowhere(), lambda _bytes_done: None)
    except NotFound as error:
        return f"{_GONE}: {error.message}"
    except (Corrupt, Invalid, NotAllowed) as error:
        return error.message
    return None


class _Nowhere:
    """Where bytes go that are only read to see whether they can be."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Lets them go."""
