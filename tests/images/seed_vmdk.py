"""The smallest good VMDK of the seed disk."""

import struct

from images.seeds import DISK_BYTES, KIB, seed_disk
from images.sparse import SparseBytes


def vmdk() -> SparseBytes:
    """monolithicSparse, grains of 64 KiB, both grain directories, in qemu's layout."""
    disk = seed_disk()
    grain_count = DISK_BYTES // (64 * KIB)
    table = [0] * 512
    pieces: list[tuple[int, bytes]] = []
    end = 64 * KIB
    for index in range(grain_count):
        grain = disk.read(index * 64 * KIB, 64 * KIB)
        if any(grain):
            table[index] = end // 512
            pieces.append((end, grain))
            end += 64 * KIB
    packed = struct.pack("<512I", *table)
    sector = 512
    head = [
        (0, _header()),
        (1 * sector, _DESCRIPTOR),
        (21 * sector, struct.pack("<I", 22)),
        (22 * sector, packed),
        (26 * sector, struct.pack("<I", 27)),
        (27 * sector, packed),
    ]
    return SparseBytes(end, (*head, *pieces))


def _header() -> bytes:
    newline_test_is_valid, has_redundant_directory = 1, 2
    return struct.pack(
        "<4sIIQQQQIQQQB4sH433x",
        b"KDMV",
        1,
        newline_test_is_valid | has_redundant_directory,
        DISK_BYTES // 512,
        128,  # sectors per grain
        1,  # descriptor: first sector, sectors
        20,
        512,  # entries per grain table
        21,  # redundant grain directory, then the grain directory
        26,
        128,  # sectors before the first grain
        0,
        b"\n \r\n",
        0,
    )


_DESCRIPTOR = b"""# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicSparse"

# Extent description
RW 16384 SPARSE "seed.vmdk"

# The Disk Data Base
#DDB
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "16"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
"""
