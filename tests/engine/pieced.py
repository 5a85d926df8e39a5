"""Disks made of pieces, so that a test says which version needs how much of which pack.

A piece is 256 KiB that do not compress, apart from its neighbours by zeros; four of them fill a
pack of the world's 1 MiB. So `pieced(world, "v1", range(8))` makes two packs of pieces 0 to 3 and
4 to 7, and a disk with pieces 0 and 5 needs a quarter of each.
"""

import random
from collections.abc import Iterable
from pathlib import Path

from engine.world import MEBIBYTE, World

PIECE_BYTES = MEBIBYTE // 4
PER_PACK = 4


def pieced(world: World, name: str, pieces: Iterable[int]) -> Path:
    """A raw disk of these pieces; the same number is the same piece on every disk."""
    path = world.folder / f"{name}.pieces"
    with path.open("wb") as file:
        for at, piece in enumerate(pieces):
            file.seek(2 * PIECE_BYTES * at)
            file.write(random.Random(piece).randbytes(PIECE_BYTES))
        file.truncate(16 * MEBIBYTE)
    return path


def publish(world: World, name: str, pieces: Iterable[int], *regions: str) -> bytes:
    """Publishes a version of these pieces in `regions`; gives its disk."""
    path = pieced(world, name, pieces)
    world.publish(name, os_disk=str(path), regions=regions or ("eastus",))
    return path.read_bytes()
