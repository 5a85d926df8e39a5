"""The log of a VHDX: writes to its structures that may not have reached their place yet.

A file whose writer died is only whole after its log was replayed, so reading it without would give
other bytes than the guest wrote. Here the log is replayed into memory and laid over the file.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from uuid import UUID

import numpy as np

from imgrepl.disks.crc32c import crc32c
from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, over_limit, past_the_end, read_field
from imgrepl.disks.vhdx_header import MIB, Header
from imgrepl.disks.vhdx_overlay import PatchedSource, Write

LOG_BYTES_MAX = 64 * MIB
"""Largest log that is replayed; writers use 1 MiB. Twice this is needed while doing it."""

LOG_WRITES_MAX = 256 * 1024
"""Most writes in an active sequence; a log of 1 MiB has room for 32,768."""

_SECTOR = 4096
_ENTRY = struct.Struct("<4sIIIQII16sQQ")
_DESCRIPTOR = struct.Struct("<4s4s8sQQ")
_DESCRIPTORS_IN_FIRST = 126
_DESCRIPTORS_PER_SECTOR = 128
_HEADERS_END = 192 * 1024
_FILE_BYTES_MAX = 128 << 40
_REMEDY = "attach it once to the hypervisor that wrote it, which replays its log, and detach it"


class _Entry(NamedTuple):
    """A log entry whose checksum is right. Positions are in the log, offsets in the file."""

    position: int
    length: int
    sequence: int
    tail: int
    descriptor_count: int
    flushed_file_bytes: int
    last_file_bytes: int


def replay_log(source: ByteSource, header: Header) -> ByteSource:
    """`source` as it is once its log is replayed; `source` itself when nothing is to be replayed.

    Raises `Invalid`: `ImageTruncated` when the file is shorter than its writer had made durable;
    `ImageDamaged` for entries that contradict themselves or lead outside of the file;
    `ImageLimitExceeded`.
    """
    if header.log_id is None:
        return source
    if header.log_bytes > LOG_BYTES_MAX:
        raise over_limit(
            source,
            f"VHDX log to be replayed has {header.log_bytes} bytes, limit {LOG_BYTES_MAX}",
            _REMEDY,
        )
    log = read_field(source, "VHDX log", header.log_offset, header.log_bytes)
    entries = {entry.position: entry for entry in _valid_entries(log, header.log_id)}
    if not entries:
        return source
    active = _active_sequence(entries, len(log))
    if not active:
        raise damaged(source, f"VHDX log holds {len(entries)} entries, but no whole sequence")
    write_count = sum(entry.descriptor_count for entry in active)
    if write_count > LOG_WRITES_MAX:
        raise over_limit(
            source, f"VHDX log holds {write_count} writes, limit {LOG_WRITES_MAX}", _REMEDY
        )
    size_bytes = _size_after(source, active[-1])
    writes = [write for entry in active for write in _writes(source, log, entry)]
    for write in writes:
        _check_target(source, header, write, size_bytes)
    if not writes and size_bytes == source.size_bytes:
        return source
    return PatchedSource(source, writes, size_bytes)


def _valid_entries(log: bytes, log_id: UUID) -> Iterator[_Entry]:
    """Every entry of this log with the right checksum.

    No sector within an entry begins like an entry, so one that reaches over the next such sector
    was partly overwritten: no byte is summed twice, however many headers are in a log.
    """
    marks = np.frombuffer(log, dtype="<u4").reshape(-1, _SECTOR // 4)[:, 0]
    positions = (np.flatnonzero(marks == int.from_bytes(b"loge", "little")) * _SECTOR).tolist()
    if not positions:
        return
    following = [*positions[1:], positions[0] + len(log)]
    for position, limit in zip(positions, following, strict=True):
        fields = _ENTRY.unpack_from(log, position)
        _, checksum, length, tail, sequence, descriptors, _, entry_log, flushed, last = fields
        if UUID(bytes_le=entry_log) != log_id or sequence == 0:
            continue
        if length == 0 or length % _SECTOR or length > limit - position:
            continue
        content = bytearray(_span(log, position, length))
        content[4:8] = bytes(4)
        if crc32c(content) == checksum:
            yield _Entry(position, length, sequence, tail, descriptors, flushed, last)


def _active_sequence(entries: Mapping[int, _Entry], log_bytes: int) -> list[_Entry]:
    """What is to be replayed, oldest first; empty when no run of entries is whole.

    A run of entries that follow one another is whole when the last of them has its tail in it.
    """

    def successor(entry: _Entry) -> _Entry | None:
        after = entries.get((entry.position + entry.length) % log_bytes)
        return after if after and after.sequence == entry.sequence + 1 else None

    continued = {after.position for entry in entries.values() if (after := successor(entry))}
    best: list[_Entry] = []
    for entry in entries.values():
        if entry.position in continued:
            continue
        run = [entry]
        while after := successor(run[-1]):
            run.append(after)
        tails = [number for number, member in enumerate(run) if member.position == run[-1].tail]
        if tails and (not best or run[-1].sequence > best[-1].sequence):
            best = run[tails[0] :]
    return best


def _size_after(source: ByteSource, head: _Entry) -> int:
    if source.size_bytes < head.flushed_file_bytes:
        raise past_the_end(
            source, "what the VHDX log knows to be durable", 0, head.flushed_file_bytes
        )
    if head.last_file_bytes > _FILE_BYTES_MAX:
        raise over_limit(
            source,
            f"VHDX log entry {head.sequence} says that the file has {head.last_file_bytes} bytes, "
            f"the limit is {_FILE_BYTES_MAX}",
        )
    return max(source.size_bytes, -(-head.last_file_bytes // MIB) * MIB)


def _writes(source: ByteSource, log: bytes, entry: _Entry) -> Iterator[Write]:
    content = _span(log, entry.position, entry.length)
    count = entry.descriptor_count
    in_others = max(count - _DESCRIPTORS_IN_FIRST, 0)
    sectors = 1 + -(-in_others // _DESCRIPTORS_PER_SECTOR)
    if sectors * _SECTOR > entry.length:
        raise damaged(
            source,
            f"VHDX log entry {entry.sequence} of {entry.length} bytes says that it has {count} "
            "descriptors",
        )
    data_offset = sectors * _SECTOR
    for number in range(count):
        mark, trailing, leading, file_offset, sequence = _DESCRIPTOR.unpack_from(
            content, _ENTRY.size + number * _DESCRIPTOR.size
        )
        if sequence != entry.sequence or mark not in {b"zero", b"desc"} or file_offset % _SECTOR:
            raise _bad_descriptor(source, entry, number, "its mark, offset or sequence is wrong")
        if mark == b"zero":
            yield _zeros(source, entry, number, file_offset, int.from_bytes(leading, "little"))
            continue
        sector = content[data_offset : data_offset + _SECTOR]
        data_offset += _SECTOR
        if not _agrees(sector, sequence):
            raise _bad_descriptor(source, entry, number, "its data sector is torn or missing")
        page = leading + sector[8:-4] + trailing
        yield Write(file_offset, file_offset + _SECTOR, page)


def _agrees(sector: bytes, sequence: int) -> bool:
    ends = sector[:8] + sector[-4:]
    return len(sector) == _SECTOR and ends == struct.pack(
        "<4sII", b"data", sequence >> 32, sequence & 0xFFFFFFFF
    )


def _zeros(source: ByteSource, entry: _Entry, number: int, offset: int, length: int) -> Write:
    if length == 0 or length % _SECTOR:
        raise _bad_descriptor(
            source, entry, number, f"it zeroes {length} bytes, not a multiple of {_SECTOR}"
        )
    return Write(offset, offset + length, None)


def _bad_descriptor(source: ByteSource, entry: _Entry, number: int, what: str) -> Exception:
    return damaged(
        source,
        f"VHDX log entry {entry.sequence} at {entry.position} of the log, descriptor {number}: "
        f"{what}",
    )


def _check_target(source: ByteSource, header: Header, write: Write, size_bytes: int) -> None:
    log_end = header.log_offset + header.log_bytes
    if write.end > size_bytes:
        where = f"past the end of the file at {size_bytes}"
    elif write.start < _HEADERS_END:
        where = f"to the headers, which end at {_HEADERS_END}"
    elif write.start < log_end and write.end > header.log_offset:
        where = f"to the log itself at [{header.log_offset}, {log_end})"
    else:
        return
    raise damaged(source, f"VHDX log writes [{write.start}, {write.end}), {where}")


def _span(log: bytes, position: int, length: int) -> bytes:
    """`length` bytes from `position`; the log is a ring."""
    content = log[position : position + length]
    return content + log[: length - len(content)]
