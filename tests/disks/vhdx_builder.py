"""Makes VHDX files field by field, valid or not, without the code that is tested."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from images.seed_vhdx import BAT_GUID, METADATA_GUID, with_crc32c
from images.seeds import KIB, MIB
from images.sparse import SparseBytes

LOG_OFFSET, BAT_OFFSET, METADATA_OFFSET, PAYLOAD_OFFSET = MIB, 2 * MIB, 3 * MIB, 4 * MIB
LOG_BYTES = MIB
LOG_ID = UUID(int=0x106)
DATA_WRITE_ID = UUID(int=1)
ITEMS_OFFSET = METADATA_OFFSET + 64 * KIB
NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED, PRESENT, PARTLY = 0, 1, 2, 3, 6, 7

_HAS_PARENT = 2
_LOCATOR_TYPE = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")


@dataclass(frozen=True, kw_only=True)
class Vhdx:
    """`blocks` gives state and content of payload blocks, `bitmaps` those of chunks.

    Payload follows in the order of `blocks`, then the bitmaps. A BAT of more than 1 MiB is not
    made. `log` is put at the start of a log of 1 MiB, which is dirty when there is one.
    """

    disk_bytes: int = 4 * MIB
    block_bytes: int = MIB
    sector_bytes: int = 512
    blocks: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    bitmaps: Mapping[int, bytes] = field(default_factory=dict)
    locator: Mapping[str, str] | None = None
    data_write_id: UUID = DATA_WRITE_ID
    log: bytes = b""
    leave_allocated: bool = False

    def build(self) -> SparseBytes:
        offset = PAYLOAD_OFFSET
        bat: dict[int, int] = {}
        layers: list[tuple[int, bytes]] = []
        for block, (state, content) in self.blocks.items():
            stored = state in {PRESENT, PARTLY}
            bat[block + block // self.ratio] = (offset if stored else 0) | state
            if stored:
                layers.append((offset, content))
                offset += self.block_bytes
        for chunk, bitmap in self.bitmaps.items():
            bat[chunk * (self.ratio + 1) + self.ratio] = offset | PRESENT
            layers.append((offset, bitmap))
            offset += MIB
        layers += [(BAT_OFFSET + 8 * entry, struct.pack("<Q", bat[entry])) for entry in bat]
        layers += [
            (0, b"vhdxfile"),
            (64 * KIB, self.header(1)),
            (128 * KIB, self.header(2)),
            (192 * KIB, regions()),
            (256 * KIB, regions()),
            (LOG_OFFSET, self.log),
            (METADATA_OFFSET, self.metadata()),
        ]
        return SparseBytes(offset, tuple(layers))

    @property
    def ratio(self) -> int:
        return (1 << 23) * self.sector_bytes // self.block_bytes

    def header(self, sequence: int) -> bytes:
        log_id = LOG_ID.bytes_le if self.log else bytes(16)
        ids = (UUID(int=9).bytes_le, self.data_write_id.bytes_le, log_id)
        fields = (b"head", 0, sequence, *ids, 0, 1, LOG_BYTES, LOG_OFFSET)
        return with_crc32c(struct.pack("<4sIQ16s16s16sHHIQ", *fields).ljust(4 * KIB, b"\0"))

    def metadata(self) -> bytes:
        flags = (1 if self.leave_allocated else 0) | (_HAS_PARENT if self.locator else 0)
        items = [
            ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", struct.pack("<II", self.block_bytes, flags)),
            ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", struct.pack("<Q", self.disk_bytes)),
            ("8141bf1d-a96f-4709-ba47-f233a8faab5f", struct.pack("<I", self.sector_bytes)),
            ("cda348c7-445d-4471-9cc9-e9885251c556", struct.pack("<I", 4096)),
            ("beca12ab-b2e6-4523-93ef-c309e000c746", UUID(int=7).bytes_le),
        ]
        if self.locator is not None:
            items.append(("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", locator(self.locator)))
        return metadata_table(items)


def metadata_table(items: Sequence[tuple[str, bytes]]) -> bytes:
    table = struct.pack("<8sHH20x", b"metadata", 0, len(items))
    values = b""
    for item, value in items:
        where = (64 * KIB + len(values), len(value), 4)
        table += struct.pack("<16sIII4x", UUID(item).bytes_le, *where)
        values += value
    return table.ljust(64 * KIB, b"\0") + values


def locator(pairs: Mapping[str, str]) -> bytes:
    head = struct.pack("<16sHH", _LOCATOR_TYPE.bytes_le, 0, len(pairs))
    at, texts = len(head) + 12 * len(pairs), b""
    for key, value in pairs.items():
        raw_key, raw_value = key.encode("utf-16-le"), value.encode("utf-16-le")
        places = (at + len(texts), at + len(texts) + len(raw_key), len(raw_key), len(raw_value))
        head += struct.pack("<IIHH", *places)
        texts += raw_key + raw_value
    return head + texts


@cache
def regions(*others: tuple[UUID, int, int, int]) -> bytes:
    entries = [
        (BAT_GUID, BAT_OFFSET, MIB, 1),
        (METADATA_GUID, METADATA_OFFSET, MIB, 1),
        *((region.bytes_le, *rest) for region, *rest in others),
    ]
    table = struct.pack("<4sIII", b"regi", 0, len(entries), 0)
    table += b"".join(struct.pack("<16sQII", *entry) for entry in entries)
    return with_crc32c(table.ljust(64 * KIB, b"\0"))


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """`writes` are (file offset, 4096 bytes) or (file offset, length to zero)."""

    sequence: int
    writes: Sequence[tuple[int, bytes | int]] = ()
    tail: int = 0
    flushed: int = 0
    last: int = 0
    descriptor_count: int | None = None
    descriptor_sequence: int | None = None
    log_id: UUID = LOG_ID

    def build(self) -> bytes:
        marked = self.descriptor_sequence or self.sequence
        descriptors, sectors = b"", b""
        for offset, what in self.writes:
            if isinstance(what, int):
                descriptors += struct.pack("<4sIQQQ", b"zero", 0, what, offset, marked)
                continue
            descriptors += struct.pack("<4s4s8sQQ", b"desc", what[-4:], what[:8], offset, marked)
            high, low = struct.pack("<Q", self.sequence)[4:], struct.pack("<Q", self.sequence)[:4]
            sectors += b"data" + high + what[8:-4] + low
        padded = -(-(64 + len(descriptors)) // 4096) * 4096
        count = len(self.writes) if self.descriptor_count is None else self.descriptor_count
        head = struct.pack(
            "<4sIIIQII16sQQ",
            *(b"loge", 0, padded + len(sectors), self.tail, self.sequence, count, 0),
            *(self.log_id.bytes_le, self.flushed, self.last),
        )
        return with_crc32c((head + descriptors).ljust(padded, b"\0") + sectors)


def in_ring(entries: Sequence[bytes], start: int = 0) -> bytes:
    """A log whose entries follow one another from `start`, going on at its beginning."""
    ring = bytearray(LOG_BYTES)
    for entry in entries:
        kept = min(len(entry), LOG_BYTES - start)
        ring[start : start + kept] = entry[:kept]
        ring[: len(entry) - kept] = entry[kept:]
        start = (start + len(entry)) % LOG_BYTES
    return bytes(ring)


def place(build: Vhdx, block: int) -> int:
    """Where the content of a stored block lies in the file."""
    stored = [number for number, (state, _) in build.blocks.items() if state in {PRESENT, PARTLY}]
    return PAYLOAD_OFFSET + stored.index(block) * build.block_bytes
