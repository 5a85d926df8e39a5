"""Readers that follow the format pages word for word, for files of our own writers only.

Slow, whole files in memory, every structure asserted: they share no code with the product.
"""

import struct
from collections import Counter
from collections.abc import Callable, Mapping

SECTOR, CLUSTER = 512, 65536
COPIED = 1 << 63


def read_raw(file: bytes) -> bytes:
    return file


def read_fixed_vhd(file: bytes) -> bytes:
    size, disk_type = check_footer(file[-SECTOR:])
    assert disk_type == 2
    assert len(file) == size + SECTOR
    return file[:size]


def read_dynamic_vhd(file: bytes) -> bytes:
    size, disk_type = check_footer(file[-SECTOR:])
    assert disk_type == 3
    assert file[:SECTOR] == file[-SECTOR:]
    header = file[512:1536]
    assert byte_sum_without(header, 36) == struct.unpack(">I", header[36:40])[0]
    cookie, following, table, version, entries, block = struct.unpack(">8sQQIII", header[:36])
    assert (cookie, following, version) == (b"cxsparse", 2**64 - 1, 0x10000)
    assert entries == -(-size // block)
    disk = bytearray(entries * block)
    sectors = struct.unpack(f">{entries}I", file[table : table + 4 * entries])
    taken = [(sector * SECTOR, 512 + block) for sector in sectors if sector != 0xFFFFFFFF]
    assert_apart([(0, table + -(-4 * entries // 512) * 512), *taken, (len(file) - 512, 512)])
    for index, sector in enumerate(sectors):
        if sector != 0xFFFFFFFF:
            start = sector * SECTOR
            assert file[start : start + 512] == b"\xff" * 512
            assert start + 512 + block <= len(file) - 512
            disk[index * block : (index + 1) * block] = file[start + 512 : start + 512 + block]
    return bytes(disk[:size])


def read_qcow2(file: bytes) -> bytes:
    fields = struct.unpack(">4sIQIIQIIQQIIQQQQII", file[:104])
    assert fields[:5] == (b"QFI\xfb", 3, 0, 0, 16)
    size, encryption, l1_count, l1, refcount_table, refcount_clusters = fields[5:11]
    assert (encryption, *fields[11:]) == (0, 0, 0, 0, 0, 0, 4, 104)
    assert file[104:112] == bytes(8)
    used = Counter({0: 1})
    used.update(clusters(l1, 8 * l1_count))
    used.update(clusters(refcount_table, refcount_clusters * CLUSTER))
    disk = bytearray(-(-size // CLUSTER) * CLUSTER)
    assert l1_count == -(-size // (CLUSTER * 8192))
    for index, entry in enumerate(words(file, l1, l1_count)):
        if entry:
            l2 = plain_offset(entry)
            used[l2 // CLUSTER] += 1
            for place, cell in enumerate(words(file, l2, 8192)):
                if cell:
                    host = plain_offset(cell)
                    used[host // CLUSTER] += 1
                    guest = (index * 8192 + place) * CLUSTER
                    disk[guest : guest + CLUSTER] = file[host : host + CLUSTER]
    check_refcounts(file, refcount_table, refcount_clusters, used)
    return bytes(disk[:size])


READERS: Mapping[str, Callable[[bytes], bytes]] = {
    "raw": read_raw,
    "vhd": read_fixed_vhd,
    "vhd-dynamic": read_dynamic_vhd,
    "qcow2": read_qcow2,
}


def check_footer(footer: bytes) -> tuple[int, int]:
    """Size and type of the disk."""
    assert byte_sum_without(footer, 64) == struct.unpack(">I", footer[64:68])[0]
    cookie, features, version, data_offset, _, creator, creator_version, system = struct.unpack(
        ">8sIIQI4sI4s", footer[:40]
    )
    original, current, _, disk_type = struct.unpack(">QQ4sI", footer[40:64])
    assert (cookie, features, version) == (b"conectix", 2, 0x10000)
    assert (creator, creator_version, system) == (b"win ", 0xA0000, b"Wi2k")
    assert data_offset == (2**64 - 1 if disk_type == 2 else 512)
    assert original == current
    assert footer[84:] == bytes(428)
    return current, disk_type


def byte_sum_without(structure: bytes, field: int) -> int:
    return ~(sum(structure) - sum(structure[field : field + 4])) & 0xFFFFFFFF


def assert_apart(ranges: list[tuple[int, int]]) -> None:
    end = 0
    for start, length in sorted(ranges):
        assert start >= end
        end = start + length


def check_refcounts(file: bytes, table: int, table_clusters: int, used: Counter[int]) -> None:
    """Every cluster of the file is counted as often as it is named: once."""
    counts: list[int] = []
    for block in words(file, table, table_clusters * 8192):
        if block:
            used[block // CLUSTER] += 1
            counts += struct.unpack(">32768H", file[block : block + CLUSTER])
    assert len(file) % CLUSTER == 0
    expected = [used[cluster] for cluster in range(len(counts))]
    assert counts == expected
    assert counts[: len(file) // CLUSTER] == [1] * (len(file) // CLUSTER)


def clusters(offset: int, length: int) -> range:
    assert offset % CLUSTER == 0
    return range(offset // CLUSTER, (offset + length + CLUSTER - 1) // CLUSTER)


def words(file: bytes, offset: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f">{count}Q", file[offset : offset + 8 * count])


def plain_offset(entry: int) -> int:
    assert entry & COPIED
    assert entry & ~COPIED & (CLUSTER - 1) == 0
    return entry & ~COPIED
