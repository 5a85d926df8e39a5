"""The disks that are sent: real ones from a folder, and a dense one that is made here."""

import os
from pathlib import Path

_PIECE_BYTES = 8 << 20


def raw_images(folder: Path | None, names: list[str]) -> dict[str, Path] | None:
    """The raw images of these names; None where the folder lacks one of them."""
    if folder is None:
        return None
    found = {name: folder / f"{name}.raw" for name in names}
    return found if all(path.is_file() for path in found.values()) else None


def write_random(path: Path, length_bytes: int) -> None:
    """A dense file of random bytes: nothing in it compresses or occurs twice."""
    with path.open("wb") as out:
        for start in range(0, length_bytes, _PIECE_BYTES):
            out.write(os.urandom(min(_PIECE_BYTES, length_bytes - start)))


def warm(path: Path) -> None:
    """Reads what a file holds once, so that the first contender finds it as cached as the last."""
    with path.open("rb") as file:
        for start, end in data_extents(file.fileno()):
            for at in range(start, end, _PIECE_BYTES):
                os.pread(file.fileno(), min(_PIECE_BYTES, end - at), at)


def same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; what is a hole in both is not read."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        for extents in (data_extents(first.fileno()), data_extents(second.fileno())):
            for start, end in extents:
                for at in range(start, end, _PIECE_BYTES):
                    length = min(_PIECE_BYTES, end - at)
                    if os.pread(first.fileno(), length, at) != os.pread(
                        second.fileno(), length, at
                    ):
                        return False
    return True


def data_extents(descriptor: int) -> list[tuple[int, int]]:
    """Where a sparse file has data, as (start, end)."""
    extents, end, size = [], 0, os.fstat(descriptor).st_size
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            break  # no data behind here
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        extents.append((start, end))
    return extents
