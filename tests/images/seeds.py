"""Good images of one small disk: what the hostile ones are made of.

The disk has 8 MiB, with 300,000 known bytes at 0, 3 and 7 MiB.
"""

import random
import tempfile
import uuid
from pathlib import Path
from typing import Final

from images.sparse import SparseBytes
from imgrepl.disks.writers.writer import open_writer

KIB, MIB = 1 << 10, 1 << 20
DISK_BYTES: Final = 8 * MIB

_EXTENT_BYTES: Final = 300_000
_EXTENT_OFFSETS: Final = (0, 3 * MIB, 7 * MIB)


def seed_disk() -> SparseBytes:
    """The guest's view, the same in every run."""
    source = random.Random(3)
    return SparseBytes(
        DISK_BYTES, tuple((at, source.randbytes(_EXTENT_BYTES)) for at in _EXTENT_OFFSETS)
    )


def fixed_vhd() -> SparseBytes:
    return _written("vhd")


def dynamic_vhd() -> SparseBytes:
    return _written("vhd-dynamic")


def qcow2() -> SparseBytes:
    return _written("qcow2")


def _written(image_format: str) -> SparseBytes:
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"imgrepl-seed:{image_format}").bytes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "seed")
        writer = open_writer(
            path, image_format, DISK_BYTES, identity=identity, created_seconds=1_700_000_000
        )
        for offset in _EXTENT_OFFSETS:
            # writers take whole blocks of 4,096: the zeros behind each extent complete the last
            writer.write(offset, seed_disk().read(offset, -(-_EXTENT_BYTES // 4096) * 4096))
        writer.finish()
        return SparseBytes.of(path.read_bytes())
