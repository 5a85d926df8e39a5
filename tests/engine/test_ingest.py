"""A disk becomes packs and a manifest, the same ones whatever the machine."""

import random
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import BytesSource
from engine.pieces import PackShelf, PieceDisk, blocks, piece_disks
from imgrepl.disks.disk import Disk
from imgrepl.engine.dedup import Deduplicator
from imgrepl.engine.dedup_cache import MEMORY_BYTES_MIN, DedupCache
from imgrepl.engine.ingest import Ingest, IngestCounts
from imgrepl.engine.options import EngineOptions
from imgrepl.engine.packer import ClosedPack
from imgrepl.engine.reading import WINDOWS_READ_AHEAD
from imgrepl.errors import Conflict, Interrupted, Unavailable
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import PackId
from imgrepl.model.manifest import BLOCK_BYTES, Manifest

MEBIBYTE = 1 << 20
OPTIONS = EngineOptions(
    workers=2, window_bytes=1 << 16, windows_in_flight=4, pack_bytes_target=1 << 16
)


class Done(NamedTuple):
    manifests: list[Manifest]
    counts: IngestCounts


@contextmanager
def empty_cache() -> Iterator[DedupCache]:
    with (
        TemporaryDirectory() as folder,
        DedupCache(Path(folder), memory_bytes_max=MEMORY_BYTES_MIN) as cache,
    ):
        yield cache


def ingest(
    disks: list[Disk],
    sink: PackShelf,
    options: EngineOptions = OPTIONS,
    stop: threading.Event | None = None,
) -> Done:
    """Into a place that has nothing."""
    with empty_cache() as cache, ThreadPoolExecutor(options.workers) as pool:
        sink.cache = cache
        work = Ingest(
            domain=DEFAULT_DOMAIN,
            options=options,
            deduplicator=Deduplicator(cache, lambda _packs: {}),
            sink=sink,
            stop=stop or threading.Event(),
        )
        builders = [work.disk(disk, pool, lambda _read: None) for disk in disks]
        work.flush()
        return Done([builder.finish() for builder in builders], work.counts)


@settings(deadline=None, max_examples=40)
@given(st.lists(piece_disks(), min_size=1, max_size=2))
def test_what_comes_out_of_the_packs_is_what_went_in(disks: list[PieceDisk]) -> None:
    shelf = PackShelf()
    done = ingest(list(disks), shelf)
    assert [shelf.restore(manifest) for manifest in done.manifests] == [d.content() for d in disks]
    assert done.counts.packs == len(shelf.packs)
    assert done.counts.occupied_bytes == sum(m.occupied_bytes for m in done.manifests)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(piece_disks(), min_size=1, max_size=2),
    st.integers(1, 8),
    st.sampled_from([1 << shift for shift in range(12, 21)]),
    st.integers(1, 9),
    st.integers(0, 5),
)
def test_workers_windows_and_slow_uploads_change_neither_packs_nor_runs(
    disks: list[PieceDisk], workers: int, window_bytes: int, in_flight: int, patience: int
) -> None:
    plain, other = PackShelf(), PackShelf(patience)
    options = replace(
        OPTIONS, workers=workers, window_bytes=window_bytes, windows_in_flight=in_flight
    )
    one, two = ingest(list(disks), plain), ingest(list(disks), other, options)
    assert one.manifests == two.manifests
    assert plain.order == other.order
    assert one.counts == two.counts


def sources() -> bytes:
    """Text that more effort makes shorter: modules of Python itself."""
    folder = Path(random.__file__).parent
    return b"".join(path.read_bytes() for path in sorted(folder.glob("[a-t]*.py")))


def test_an_update_is_compressed_harder_than_a_first_version() -> None:
    text = sources()
    old, new = text[: 2 * MEBIBYTE], text[2 * MEBIBYTE :][: MEBIBYTE // 4]
    first = PieceDisk(4 * MEBIBYTE, {0: old})
    repeated = {2 * MEBIBYTE * number: old for number in range(1, 4)}
    update = PieceDisk(9 * MEBIBYTE, {0: old, **repeated, 8 * MEBIBYTE: new})

    def stored_bytes(disks: list[Disk], level_update: int) -> int:
        shelf = PackShelf()
        ingest(disks, shelf, replace(OPTIONS, zstd_level_update=level_update))
        return sum(map(len, shelf.packs.values()))

    assert stored_bytes([first], 9) == stored_bytes([first], 3)
    assert stored_bytes([first, update], 9) < stored_bytes([first, update], 3)


def test_what_occurs_twice_is_packed_once_within_a_disk_and_across_disks() -> None:
    data = random.Random(1).randbytes(MEBIBYTE)
    twice = PieceDisk(4 * MEBIBYTE, {0: data, 2 * MEBIBYTE: data})
    once = PieceDisk(MEBIBYTE, {0: data})
    shelf = PackShelf()
    done = ingest([twice, once], shelf)
    assert done.counts.new_bytes == MEBIBYTE
    assert done.counts.deduplicated_bytes == 2 * MEBIBYTE
    assert [shelf.restore(m) for m in done.manifests] == [twice.content(), once.content()]


def test_holes_and_written_zeros_make_no_difference_to_the_content_id() -> None:
    data = random.Random(1).randbytes(MEBIBYTE)
    holes = PieceDisk(4 * MEBIBYTE, {MEBIBYTE: data})
    zeros = PieceDisk(4 * MEBIBYTE, {0: bytes(MEBIBYTE) + data + bytes(2 * MEBIBYTE)})
    one, two = ingest([holes, zeros], PackShelf()).manifests
    assert one == two


def test_the_size_of_a_disk_is_part_of_its_content_id() -> None:
    data = blocks([1, 2, 3])
    one, two = ingest(
        [PieceDisk(MEBIBYTE, {0: data}), PieceDisk(MEBIBYTE + 512, {0: data})], PackShelf()
    ).manifests
    assert one.runs == two.runs
    assert one.content_id != two.content_id


def test_a_moved_block_gives_another_content_id() -> None:
    data = blocks([1])
    one, two = ingest(
        [PieceDisk(MEBIBYTE, {0: data}), PieceDisk(MEBIBYTE, {BLOCK_BYTES: data})], PackShelf()
    ).manifests
    assert one.content_id != two.content_id


def test_a_source_that_changed_while_it_was_read_is_refused() -> None:
    class Changed(BytesSource):
        def check_unchanged(self) -> None:
            raise Conflict("it changed", code="SourceChanged")

    disk = PieceDisk(MEBIBYTE, {0: blocks([1])}, [Changed(b""), BytesSource(b"")])
    with pytest.raises(Conflict) as caught:
        ingest([disk], PackShelf())
    assert caught.value.code == "SourceChanged"


def test_a_stop_ends_between_two_windows() -> None:
    stop = threading.Event()

    class Stopping(PieceDisk):
        def read_into(self, offset: int, buffer: memoryview) -> None:
            super().read_into(offset, buffer)
            stop.set()

    disk = Stopping(MEBIBYTE, {0: random.Random(1).randbytes(MEBIBYTE)})
    with pytest.raises(Interrupted):
        ingest([disk], PackShelf(), stop=stop)
    assert disk.read_bytes <= (WINDOWS_READ_AHEAD + 2) * OPTIONS.window_bytes


def test_a_pack_that_could_not_be_stored_ends_the_ingest_while_it_reads() -> None:
    class Full(PackShelf):
        def finished(self) -> list[ClosedPack]:
            if self.packs:
                raise Unavailable("the place is full", code="PlaceFull")
            return []

    disk = PieceDisk(8 * MEBIBYTE, {0: random.Random(1).randbytes(8 * MEBIBYTE)})
    with pytest.raises(Unavailable):
        ingest([disk], Full())
    assert disk.read_bytes < 2 * MEBIBYTE


class Endless(PieceDisk):
    """Random bytes without end, of which none are kept."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes, {0: b""})
        self._noise = random.Random(1).randbytes(MEBIBYTE)
        self.pieces = {0: range(size_bytes)}  # type: ignore[dict-item]

    def read_into(self, offset: int, buffer: memoryview) -> None:
        for at in range(0, buffer.nbytes, MEBIBYTE):
            part = buffer[at : at + MEBIBYTE]
            part[:] = self._noise[: len(part)]
            for block in range(0, len(part), BLOCK_BYTES):
                part[block : block + 8] = (offset + at + block + 1).to_bytes(8, "big")


class Forgetful(PackShelf):
    def submit(self, pack: ClosedPack) -> None:
        pack_id, _body = pack.encode()
        self.order.append(PackId(pack_id))
        self._under_way.append(pack)


def test_memory_is_bounded_by_windows_and_packs_whatever_the_disk() -> None:
    options = replace(
        OPTIONS, window_bytes=MEBIBYTE, windows_in_flight=4, pack_bytes_target=2 * MEBIBYTE
    )
    peaks = []
    for size in (24 * MEBIBYTE, 96 * MEBIBYTE):
        disk, sink = Endless(size), Forgetful()
        tracemalloc.start()
        try:
            ingest([disk], sink, options)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    windows, packs = 2 * 4 * MEBIBYTE, 3 * 2 * MEBIBYTE
    assert peaks[1] < windows + packs
    assert peaks[1] < peaks[0] + 2 * MEBIBYTE
