"""Opening a writer with nothing but a path, and filling disks with known bytes."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from imgrepl.disks.writers.writer import DiskWriter, open_writer

IDENTITY = bytes(range(16))
CREATED_SECONDS = 1_700_000_000


def opened(
    path: Path, image_format: str = "raw", size_bytes: int = 8192, *, overwrite: bool = False
) -> DiskWriter:
    return open_writer(
        path,
        image_format,
        size_bytes,
        identity=IDENTITY,
        created_seconds=CREATED_SECONDS,
        overwrite=overwrite,
    )


class Piece(NamedTuple):
    offset: int
    data: bytes


class Contents(NamedTuple):
    """A disk as the pieces it is written from, in this order."""

    size_bytes: int
    pieces: list[Piece]

    @classmethod
    def random(cls, size_bytes: int, ranges: list[tuple[int, int]], seed: int) -> "Contents":
        """Random bytes in each (start, end), zeros elsewhere."""
        source = random.Random(seed)
        return cls(size_bytes, [Piece(low, source.randbytes(high - low)) for low, high in ranges])

    def disk(self) -> bytes:
        whole = bytearray(self.size_bytes)
        for offset, data in self.pieces:
            whole[offset : offset + len(data)] = data
        return bytes(whole)

    def raw_file(self, path: Path) -> Path:
        """A sparse raw file made without any writer of ours."""
        with path.open("wb") as file:
            file.truncate(self.size_bytes)
            for offset, data in self.pieces:
                file.seek(offset)
                file.write(data)
        return path

    def write_to(self, path: Path, image_format: str, threads: int = 3) -> None:
        writer = opened(path, image_format, self.size_bytes)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda piece: writer.write(*piece), self.pieces))
        writer.finish()
