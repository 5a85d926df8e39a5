"""Three generations of a seeded disk of which every byte is known.

Extents of random, compressible, repeated and written-zero data lie all over a sparse disk. A later
generation rewrites a part of the data in short runs, as a running machine would.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

KIB, MIB = 1 << 10, 1 << 20
GRAIN_BYTES: Final = 4 * KIB
Kind = Literal["random", "text", "repeat", "zero"]

_KINDS: Final[tuple[Kind, ...]] = ("random", "text", "repeat", "zero")
_FIRST_WEIGHTS, _LATER_WEIGHTS = (50, 30, 12, 8), (55, 30, 10, 5)
_EXTENT_BYTES_MEAN, _CHANGE_BYTES_MEAN = MIB, 64 * KIB
_REPEATED_PIECES = 32
_WORDS = [f"w{number * 40503 & 0xFFFF:04x} ".encode() * 3 for number in range(512)]


class Extent(NamedTuple):
    """Bytes of one kind; `key` seeds them. Offset and length are multiples of 4,096."""

    offset: int
    length: int
    kind: Kind
    key: int


@dataclass(frozen=True)
class SyntheticDisk:
    """One generation; where `extents` overlap the later one counts."""

    size_bytes: int
    seed: int
    extents: tuple[Extent, ...]

    def write_to(self, path: Path) -> None:
        """Makes a sparse raw file. Extents of kind zero are written, not left out."""
        with path.open("wb") as file:
            file.truncate(self.size_bytes)
            for extent in self.extents:
                file.seek(extent.offset)
                file.write(self._content(extent))

    def kinds(self) -> Iterator[tuple[int, int, Kind]]:
        """What the disk holds: (offset, length, kind), disjoint and in order; the rest is holes."""
        cells: dict[int, Kind] = {}
        for extent in self.extents:
            for cell in range(extent.offset, extent.offset + extent.length, GRAIN_BYTES):
                cells[cell] = extent.kind
        start = end = -1
        kind: Kind = "zero"
        for cell, cell_kind in sorted(cells.items()):
            if cell != end or cell_kind != kind:
                if end > start:
                    yield start, end - start, kind
                start, kind = cell, cell_kind
            end = cell + GRAIN_BYTES
        if end > start:
            yield start, end - start, kind

    def occupied_bytes(self) -> int:
        """Bytes in 4 KiB blocks that are not all zero."""
        return sum(length for _, length, kind in self.kinds() if kind != "zero")

    def _content(self, extent: Extent) -> bytes:
        source = random.Random(extent.key)
        match extent.kind:
            case "zero":
                return bytes(extent.length)
            case "random":
                return source.randbytes(extent.length)
            case "text":
                return _text(source, extent.length)
            case "repeat":
                piece = f"pool-{self.seed}-{extent.key % _REPEATED_PIECES}"
                pool = random.Random(piece).randbytes(MIB)
                return (pool * (extent.length // MIB + 1))[: extent.length]


def generations(
    size_bytes: int,
    *,
    count: int = 3,
    occupied_fraction: float = 0.25,
    change_fraction: float = 0.03,
    seed: int = 7,
) -> Iterator[SyntheticDisk]:
    """The same disks for the same arguments. `occupied_fraction` counts written zeros too."""
    source = random.Random(f"imgrepl-{seed}")
    extents = list(_first_extents(source, size_bytes, occupied_fraction))
    yield SyntheticDisk(size_bytes, seed, tuple(extents))
    for _ in range(count - 1):
        extents += list(_changes(source, extents, change_fraction))
        yield SyntheticDisk(size_bytes, seed, tuple(extents))


def write_generations(folder: Path, size_bytes: int, **options: Any) -> list[Path]:
    """Makes `v1.raw` … in `folder`, and `synthetic.json` that says what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest, paths = {}, []
    for number, disk in enumerate(generations(size_bytes, **options), start=1):
        path = folder / f"v{number}.raw"
        disk.write_to(path)
        paths.append(path)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        manifest[path.stem] = {
            "virtual_size": size_bytes,
            "occupied_bytes": disk.occupied_bytes(),
            "sha256": digest,
            "extents": [{"offset": o, "length": n, "kind": k} for o, n, k in disk.kinds()],
        }
    (folder / "synthetic.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return paths


def _first_extents(
    source: random.Random, size_bytes: int, occupied_fraction: float
) -> Iterator[Extent]:
    wanted, position, written, end = int(size_bytes * occupied_fraction), 0, 0, 0
    gap_mean = _EXTENT_BYTES_MEAN * (1 - occupied_fraction) / max(occupied_fraction, 0.001)
    while position < size_bytes and written < wanted:
        length = _length(source, _EXTENT_BYTES_MEAN)
        length = min(length, size_bytes - position, max(GRAIN_BYTES, wanted - written))
        length -= length % GRAIN_BYTES
        if length:
            yield Extent(position, length, *_kind_and_key(source, _FIRST_WEIGHTS))
            written += length
            position += length
            end = position
        position += _length(source, gap_mean)
    if end < size_bytes:  # the last block is always occupied: catches an off-by-one at the end
        last = size_bytes - GRAIN_BYTES
        yield Extent(last, GRAIN_BYTES, "random", source.getrandbits(48))


def _changes(
    source: random.Random, extents: list[Extent], change_fraction: float
) -> Iterator[Extent]:
    left = int(sum(extent.length for extent in extents) * change_fraction)
    before = tuple(extents)
    while left > 0:
        extent = before[source.randrange(len(before))]
        length = min(extent.length, _length(source, _CHANGE_BYTES_MEAN))
        room = extent.length - length
        offset = extent.offset + source.randrange(0, room + 1, GRAIN_BYTES)
        yield Extent(offset, length, *_kind_and_key(source, _LATER_WEIGHTS))
        left -= length


def _length(source: random.Random, mean: float) -> int:
    """Whole grains, at least one."""
    return max(GRAIN_BYTES, int(source.expovariate(1 / mean)) // GRAIN_BYTES * GRAIN_BYTES)


def _kind_and_key(source: random.Random, weights: tuple[int, ...]) -> tuple[Kind, int]:
    return source.choices(_KINDS, weights)[0], source.getrandbits(48)


def _text(source: random.Random, length: int) -> bytes:
    text = bytearray()
    while len(text) < length:
        text += b"".join(source.choices(_WORDS, k=256))
    return bytes(text[:length])
