"""What damage to a pack means: which chunks are lost, and which ranges of which disks need them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout.content import Buffer
from imgrepl.layout.moved import Moved, MovedRun
from imgrepl.layout.pack import (
    HEADER_BYTES,
    PackFooter,
    decode_footer,
    decode_frame,
    encode_header,
)
from imgrepl.model.ids import ChunkId, PackId
from imgrepl.model.manifest import Manifest, Run
from imgrepl.model.slots import SlotRange


class DamagedChunk(NamedTuple):
    """A chunk that its slot does not hold any more."""

    slot: int
    chunk_id: ChunkId


class DiskRange(NamedTuple):
    """Bytes of a disk of the version: the OS disk's where `lun` is None."""

    lun: int | None
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class PackDamage:
    """What is left of one pack. `footer` is None where nothing tells what was in which slot.

    `chunks` are those whose frames do not give them; with a footer and none of them, the damage
    lies between the frames and touches no disk.
    """

    footer: PackFooter | None = None
    chunks: tuple[DamagedChunk, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What a fault means to the version that was looked at. `ranges` are in disk order."""

    chunks: tuple[DamagedChunk, ...] = ()
    ranges: tuple[DiskRange, ...] = ()


NO_HARM = Harm()
LOST = PackDamage()
"""Nothing of the pack can be read."""


class NamedDisk(NamedTuple):
    """A disk of the version, by its manifest."""

    lun: int | None
    manifest: Manifest


def examine(
    body: Buffer, pack_id: PackId, chunk_key: bytes, footer_digest: bytes | None = None
) -> PackDamage:
    """Which chunks of a pack are damaged, frame by frame; `LOST` where its footer is.

    `body` is known not to be the pack. `footer_digest` is that of the pack's own footer: one of
    another pack, which is whole in itself, tells nothing.
    """
    view = memoryview(body)
    try:
        footer = decode_footer(view, len(view), pack_id=pack_id)
    except (Corrupt, Invalid):
        return LOST
    if footer_digest not in (None, footer.digest):
        return LOST
    starts, lengths = footer.offsets.tolist(), footer.stored_bytes.tolist()
    chunks = []
    for slot, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        try:
            decode_frame(footer, slot, view[start : start + length], chunk_key=chunk_key)
        except Corrupt:
            chunks.append(DamagedChunk(slot, footer.chunk_id(slot)))
    if not chunks and view[:HEADER_BYTES] == encode_header(footer.domain_id):
        return LOST  # nothing in it contradicts its footer: it is another pack
    return PackDamage(footer=footer, chunks=tuple(chunks))


def harm_of(
    damage: PackDamage,
    pack_id: PackId,
    disks: Iterable[NamedDisk],
    moved: Mapping[PackId, Moved],
) -> Harm:
    """The ranges of `disks` that need the damaged chunks, or any of the pack where it is lost.

    `moved` are the packs whose frames lie in other packs in this place. A run whose slots lie in
    several packs counts as a whole.
    """
    ranges = [
        DiskRange(disk.lun, offset, length)
        for disk in disks
        for run in disk.manifest.runs
        for offset, length in _in_run(damage, pack_id, disk.manifest, run, moved)
    ]
    return Harm(chunks=damage.chunks, ranges=tuple(_joined(sorted(ranges, key=_order))))


def _in_run(
    damage: PackDamage,
    pack_id: PackId,
    manifest: Manifest,
    run: Run,
    moved: Mapping[PackId, Moved],
) -> Iterator[tuple[int, int]]:
    pieces = _pieces(manifest.packs[run.pack].pack_id, run, moved)
    if all(piece.pack_id != pack_id for piece in pieces):
        return
    if damage.footer is None or len(pieces) != 1:
        yield run.disk_offset, run.length_bytes
        return
    first = pieces[0].target_slot
    lost = {chunk.slot for chunk in damage.chunks}
    offset = run.disk_offset
    plain = damage.footer.plain_bytes[first : first + run.slots].tolist()
    for slot, length in enumerate(plain, first):
        if slot in lost:
            yield offset, length
        offset += length


def _pieces(pack_id: PackId, run: Run, moved: Mapping[PackId, Moved]) -> Sequence[MovedRun]:
    """Where the slots of a run are: in their own pack, or where `moved` says."""
    if pack_id in moved:
        return moved[pack_id].locate(SlotRange(run.first_slot, run.slots)) or ()
    return (MovedRun(run.first_slot, run.slots, pack_id, run.first_slot),)


def _joined(ranges: Iterable[DiskRange]) -> Iterator[DiskRange]:
    """The same bytes in as few ranges as they take."""
    last: DiskRange | None = None
    for each in ranges:
        if last is not None and last.lun == each.lun and last.offset + last.length == each.offset:
            last = last._replace(length=last.length + each.length)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last


def _order(each: DiskRange) -> tuple[int, int]:
    return -1 if each.lun is None else each.lun, each.offset
