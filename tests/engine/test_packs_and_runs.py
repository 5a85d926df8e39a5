"""Frames become packs within their bounds, and chunks in a row become one run."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pieces import PackShelf
from imgrepl.engine import packer
from imgrepl.engine.dedup import ChunkRef, OpenPack
from imgrepl.engine.packer import Packer
from imgrepl.engine.runs import ManifestBuilder
from imgrepl.layout.content import chunk_id
from imgrepl.layout.frames import Codec
from imgrepl.layout.pack import FrameEntry
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import ChunkId, PackId
from imgrepl.model.manifest import BLOCK_BYTES, Manifest

Entry = tuple[FrameEntry, bytes, ChunkRef]


def frame(number: int, blocks: int = 1) -> Entry:
    plain = number.to_bytes(8, "big") * (BLOCK_BYTES // 8 * blocks)
    named = chunk_id(DEFAULT_DOMAIN.chunk_key, plain)
    return FrameEntry(named, len(plain), len(plain), Codec.RAW), plain, ChunkRef()


def pack_all(shelf: PackShelf, frames: list[Entry], bytes_target: int) -> None:
    made = Packer(DEFAULT_DOMAIN, bytes_target, shelf.submit)
    for one in frames:
        made.add(*one)
    made.close()


@given(st.lists(st.integers(1, 8), max_size=40), st.integers(1, 20))
def test_every_frame_lies_in_the_slot_that_its_reference_names(
    lengths: list[int], target_blocks: int
) -> None:
    frames = [frame(number, blocks) for number, blocks in enumerate(lengths)]
    shelf = PackShelf()
    pack_all(shelf, frames, target_blocks * BLOCK_BYTES)
    for entry, plain, ref in frames:
        assert ref.pack is not None
        assert ref.pack.pack_id is not None
        footer = shelf.footer(ref.pack.pack_id)
        assert footer.entry(ref.slot) == entry
        start = int(footer.offsets[ref.slot])
        assert shelf.packs[ref.pack.pack_id][start:].startswith(plain)
        assert ref.stored_bytes == len(plain)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=40), st.integers(1, 20))
def test_a_pack_is_closed_by_the_frame_that_reaches_the_target_and_no_later(
    lengths: list[int], target_blocks: int
) -> None:
    shelf = PackShelf()
    pack_all(shelf, [frame(n, blocks) for n, blocks in enumerate(lengths)], target_blocks << 12)
    footers = [shelf.footer(pack_id) for pack_id in shelf.order]
    assert sum(footer.slots for footer in footers) == len(lengths)
    for footer in footers[:-1]:
        assert footer.stored_bytes.sum() >= target_blocks * BLOCK_BYTES
    for footer in footers:
        assert footer.stored_bytes[:-1].sum() < target_blocks * BLOCK_BYTES


def test_a_pack_of_tiny_frames_is_closed_at_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "SLOTS_TARGET", 5)
    shelf = PackShelf()
    pack_all(shelf, [frame(number) for number in range(12)], 1 << 30)
    assert [shelf.footer(pack_id).slots for pack_id in shelf.order] == [5, 5, 2]


def test_the_bound_on_slots_keeps_a_footer_under_a_mebibyte() -> None:
    assert packer.SLOTS_TARGET * 44 < 1 << 20


def test_nothing_packed_is_no_pack() -> None:
    shelf = PackShelf()
    pack_all(shelf, [], 1)
    assert not shelf.packs


def test_a_pack_is_named_by_the_sha256_of_its_bytes_and_its_handle_knows_it() -> None:
    shelf, (entry, plain, ref) = PackShelf(), frame(1)
    pack_all(shelf, [(entry, plain, ref)], 1)
    assert ref.pack is not None
    (pack_id,) = shelf.packs
    assert pack_id == hashlib.sha256(shelf.packs[pack_id]).hexdigest() == ref.pack.pack_id
    assert ref.pack.pack_bytes == len(shelf.packs[pack_id])


@dataclass(frozen=True)
class Chunk:
    """A chunk of one block: gap before it, pack and slot."""

    gap: int
    pack: int
    slot: int


CHUNKS = st.lists(
    st.builds(Chunk, st.sampled_from([0, 0, 0, 1]), st.integers(0, 2), st.integers(0, 5)),
    max_size=40,
)


def build(chunks: list[Chunk]) -> tuple[Manifest, list[tuple[int, Chunk]]]:
    """The manifest of `chunks`, and where each lies."""
    packs = [OpenPack(PackId(f"{number:064x}"), 1000 + number) for number in range(3)]
    builder, offset, placed = ManifestBuilder(1 << 30), 0, []
    for chunk in chunks:
        offset += chunk.gap * BLOCK_BYTES
        named = ChunkId(bytes([chunk.pack, chunk.slot]) * 16)
        builder.add(offset, BLOCK_BYTES, named, ChunkRef(packs[chunk.pack], chunk.slot, 100))
        placed.append((offset, chunk))
        offset += BLOCK_BYTES
    return builder.finish(), placed


@given(CHUNKS)
def test_runs_say_of_every_chunk_where_it_lies_and_nothing_else(chunks: list[Chunk]) -> None:
    manifest, placed = build(chunks)
    said = []
    for run in manifest.runs:
        assert run.length_bytes == run.slots * BLOCK_BYTES
        pack = int(manifest.packs[run.pack].pack_id, 16)
        for number in range(run.slots):
            at = run.disk_offset + number * BLOCK_BYTES
            said.append((at, pack, run.first_slot + number))
    assert said == [(offset, chunk.pack, chunk.slot) for offset, chunk in placed]
    assert manifest.chunks == len(chunks)
    assert manifest.occupied_bytes == len(chunks) * BLOCK_BYTES


@given(CHUNKS)
def test_neighbours_on_the_disk_and_in_the_pack_are_one_run(chunks: list[Chunk]) -> None:
    manifest, _ = build(chunks)
    for one, two in zip(manifest.runs, manifest.runs[1:], strict=False):
        adjacent = one.disk_offset + one.length_bytes == two.disk_offset
        follows = one.pack == two.pack and one.first_slot + one.slots == two.first_slot
        assert not (adjacent and follows)


@given(CHUNKS)
def test_a_slot_that_is_used_often_counts_once_in_what_a_disk_needs(chunks: list[Chunk]) -> None:
    manifest, _ = build(chunks)
    slots: dict[int, set[int]] = {}
    for chunk in chunks:
        slots.setdefault(chunk.pack, set()).add(chunk.slot)
    used = {int(use.pack_id, 16): use.used_bytes for use in manifest.packs}
    assert used == {pack: 100 * len(found) for pack, found in slots.items()}


def test_packs_stand_in_the_order_in_which_the_disk_names_them() -> None:
    manifest, _ = build([Chunk(0, 2, 0), Chunk(0, 0, 0), Chunk(0, 2, 1)])
    assert [int(use.pack_id, 16) for use in manifest.packs] == [2, 0]
    assert [run.pack for run in manifest.runs] == [0, 1, 0]


def test_a_disk_without_content_has_a_content_id_that_tells_its_size() -> None:
    small, large = ManifestBuilder(512).finish(), ManifestBuilder(1024).finish()
    assert (small.runs, small.packs, small.chunks) == ((), (), 0)
    assert small.content_id != large.content_id
