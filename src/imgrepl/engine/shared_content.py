"""How much of one version's content another one has: chunk by chunk, told by footers alone."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgrepl.engine.foreign import ForeignVersion, PackNeed, needs_of
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import NotFound
from imgrepl.layout.pack import PackFooter
from imgrepl.model.manifest import Manifest

_Names = npt.NDArray[np.uint64]
_Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Two versions by what is in them; occupied bytes count every appearance, stored bytes once.

    `shared` is what the second has in common with the first, `new` what it has beside.
    """

    shared_occupied_bytes: int
    new_occupied_bytes: int
    shared_stored_bytes: int
    new_stored_bytes: int
    shared_chunks: int
    new_chunks: int


@dataclass(frozen=True)
class _Chunks:
    """A version's chunks, each once: a 64-bit name, stored length, and plain bytes on its disks."""

    names: _Names
    stored: _Lengths
    occupied: _Lengths


def overlap(first: ForeignVersion, second: ForeignVersion) -> Overlap:
    """What `second` has of `first`. Both are of one store; every pack's footer is read once.

    Names are the first 8 bytes of chunk ids: of a million chunks two are taken for one in one
    comparison of ten million. Raises `NotFound` (`PackMissing`), `Corrupt`, `Unavailable`.
    """
    one, other = _chunks_of(first), _chunks_of(second)
    shared = np.isin(other.names, one.names)
    return Overlap(
        shared_occupied_bytes=int(other.occupied[shared].sum()),
        new_occupied_bytes=int(other.occupied[~shared].sum()),
        shared_stored_bytes=int(other.stored[shared].sum()),
        new_stored_bytes=int(other.stored[~shared].sum()),
        shared_chunks=int(shared.sum()),
        new_chunks=int((~shared).sum()),
    )


def _chunks_of(version: ForeignVersion) -> _Chunks:
    needs = needs_of(version.manifests)
    uses = _uses(version.manifests, needs)
    names, stored, occupied = [], [], []
    for need, footer in _footers(version, needs):
        slots = np.fromiter(need.numbers, np.int64)
        ids = np.frombuffer(footer.chunk_ids, np.uint64).reshape(-1, 4)[:, 0]
        names.append(ids[slots])
        stored.append(footer.stored_bytes[slots].astype(np.int64))
        occupied.append(footer.plain_bytes[slots].astype(np.int64) * uses[need.pack_id])
    if not names:
        return _Chunks(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return _once(np.concatenate(names), np.concatenate(stored), np.concatenate(occupied))


def _once(names: _Names, stored: _Lengths, occupied: _Lengths) -> _Chunks:
    """Chunks that lie in several packs become one, which appears as often as they do together."""
    found, first, number = np.unique(names, return_index=True, return_inverse=True)
    summed = np.zeros(len(found), np.int64)
    np.add.at(summed, number, occupied)
    return _Chunks(found, stored[first], summed)


def _uses(
    manifests: Sequence[Manifest], needs: Sequence[PackNeed]
) -> dict[str, npt.NDArray[np.int64]]:
    """How often each needed slot of each pack appears on the disks."""
    counts: dict[str, npt.NDArray[np.int64]] = {
        need.pack_id: np.zeros(need.slots[-1].end + 1, np.int64) for need in needs
    }
    for manifest in manifests:
        for run in manifest.runs:
            steps = counts[manifest.packs[run.pack].pack_id]
            steps[run.first_slot] += 1
            steps[run.first_slot + run.slots] -= 1
    return {
        need.pack_id: np.cumsum(counts[need.pack_id])[np.fromiter(need.numbers, np.int64)]
        for need in needs
    }


def _footers(
    version: ForeignVersion, needs: Sequence[PackNeed]
) -> Iterator[tuple[PackNeed, PackFooter]]:
    with ThreadPoolExecutor(version.engine.options.heads_in_flight, "footers") as pool:
        for need, footer in zip(needs, pool.map(version.footer_of, needs), strict=True):
            check_stop(version.engine.stop)
            if footer is None:
                raise NotFound(
                    f"no place has pack {need.pack_id} whole",
                    code="PackMissing",
                    target=need.pack_id,
                    hint="it is there through other packs: the stored bytes of packs tell the rest",
                )
            yield need, footer
