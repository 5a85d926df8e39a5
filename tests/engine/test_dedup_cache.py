"""The dedup cache: what was added is found by whoever opens the folder, and nothing else is."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from imgrepl.engine import dedup_cache, dedup_runs
from imgrepl.engine.dedup_cache import MEMORY_BYTES_MIN, DedupCache
from imgrepl.engine.dedup_entries import Slot
from imgrepl.errors import Unavailable
from imgrepl.layout.content import chunk_id
from imgrepl.layout.frames import Codec
from imgrepl.layout.pack import FrameEntry, decode_footer, encode_pack
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import ChunkId, PackId


def opened(folder: Path, memory_bytes: int = MEMORY_BYTES_MIN) -> DedupCache:
    return DedupCache(folder, memory_bytes_max=memory_bytes)


def pack_id(number: int) -> PackId:
    return PackId(f"{number:064x}")


def chunk(number: int) -> ChunkId:
    return ChunkId(np.random.default_rng([number, 1]).bytes(32))


def entries(chunks: list[ChunkId]) -> list[FrameEntry]:
    return [FrameEntry(name, 100 + slot, 4096, Codec.ZSTD) for slot, name in enumerate(chunks)]


def chunks_of(pack: int, count: int) -> list[ChunkId]:
    data = np.random.default_rng(pack).bytes(32 * count)
    return [ChunkId(data[at : at + 32]) for at in range(0, len(data), 32)]


def add(cache: DedupCache, pack: int, count: int = 50) -> list[ChunkId]:
    chunks = chunks_of(pack, count)
    cache.add_pack(pack_id(pack), entries(chunks))
    return chunks


def expected(pack: int, count: int = 50) -> list[Slot]:
    return [Slot(pack_id(pack), slot, 100 + slot) for slot in range(count)]


@pytest.fixture(autouse=True)
def _all_files_closed() -> Iterator[None]:
    before = set(Path("/proc/self/fd").iterdir())
    yield
    gc.collect()
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_what_was_added_is_found_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        chunks = add(cache, 1)
        assert cache.lookup(chunks) == expected(1)
        assert cache.lookup([chunk(7), chunks[3], chunk(8)]) == [None, expected(1)[3], None]
        assert cache.lookup([]) == []
        assert cache.pack_ids() == {pack_id(1)}


def test_a_footer_is_taken_as_it_is(tmp_path: Path) -> None:
    frame = os.urandom(4096)
    entry = FrameEntry(chunk_id(bytes(32), frame), 4096, 4096, Codec.RAW)
    pack = encode_pack(DEFAULT_DOMAIN.domain_id, [frame], [entry])
    with opened(tmp_path) as cache:
        cache.add_pack(pack_id(5), decode_footer(pack, len(pack)))
        assert cache.lookup([entry.chunk_id]) == [Slot(pack_id(5), 0, 4096)]


def test_a_hit_is_an_equal_id_to_the_last_byte(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        chunks = add(cache, 1)
    near = [ChunkId(name[:-1] + bytes([name[-1] ^ 1])) for name in chunks]
    with opened(tmp_path) as cache:
        assert cache.lookup(near) == [None] * len(near)
        assert cache.lookup(chunks) == expected(1)


def test_a_process_that_opens_the_folder_finds_what_others_left(tmp_path: Path) -> None:
    for number in range(1, 12):
        with opened(tmp_path) as cache:
            add(cache, number)
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == {pack_id(number) for number in range(1, 12)}
        for number in range(1, 12):
            assert cache.lookup(chunks_of(number, 50)) == expected(number)


def test_what_another_process_is_still_writing_is_seen_as_it_was_on_opening(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as writer:
        early = add(writer, 1)
        with opened(tmp_path) as reader:
            late = add(writer, 2)
            assert reader.lookup(early) == expected(1)
            assert reader.lookup(late) == [None] * 50
            add(reader, 3)
        assert writer.lookup(early + late) == expected(1) + expected(2)
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == {pack_id(number) for number in (1, 2, 3)}


def test_many_packs_go_through_runs_and_mergers(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        for number in range(120):
            add(cache, number)
        for number in range(120):
            assert cache.lookup(chunks_of(number, 50)) == expected(number)
        assert len(cache.pack_ids()) == 120
    runs = list(tmp_path.glob("*.run"))
    assert 0 < len(runs) <= 8
    assert list(tmp_path.glob("*.tmp")) == []


def test_a_forgotten_pack_is_gone_here_and_for_who_opens_later(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        for number in (1, 2, 3):
            add(cache, number)
    with opened(tmp_path) as cache:
        chunks = add(cache, 4)
        cache.forget([pack_id(2), pack_id(4), pack_id(99)])
        assert cache.pack_ids() == {pack_id(1), pack_id(3)}
        assert cache.lookup(chunks) == [None] * 50
        assert cache.lookup(chunks_of(2, 50)) == [None] * 50
        assert cache.lookup(chunks_of(3, 50)) == expected(3)
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == {pack_id(1), pack_id(3)}
        add(cache, 2)
        assert cache.lookup(chunks_of(2, 50)) == expected(2)
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == {pack_id(1), pack_id(2), pack_id(3)}


def test_a_chunk_in_two_packs_is_found_as_long_as_one_is_there(tmp_path: Path) -> None:
    shared = chunk(1)
    with opened(tmp_path) as cache:
        for number in (1, 2):
            cache.add_pack(pack_id(number), entries([shared]))
        assert cache.lookup([shared]) == [Slot(pack_id(2), 0, 100)]
        cache.forget([pack_id(2)])
        assert cache.lookup([shared]) == [Slot(pack_id(1), 0, 100)]
    with opened(tmp_path) as cache:
        cache.add_pack(pack_id(3), entries([shared]))
    with opened(tmp_path) as cache:
        assert cache.lookup([shared]) == [Slot(pack_id(3), 0, 100)]
        cache.forget([pack_id(3)])
        assert cache.lookup([shared]) == [Slot(pack_id(1), 0, 100)]


def test_of_several_packs_in_one_file_the_newest_is_found(tmp_path: Path) -> None:
    shared = chunk(1)
    with opened(tmp_path) as cache:
        for number in (5, 3, 4, 5):
            cache.add_pack(pack_id(number), entries([shared]))
    for _ in range(2):
        with opened(tmp_path) as cache:
            assert cache.lookup([shared]) == [Slot(pack_id(5), 0, 100)]


def test_one_id_in_more_packs_than_a_page_has_entries_is_still_found(tmp_path: Path) -> None:
    shared, before, after = ChunkId(bytes([9] * 32)), ChunkId(bytes(32)), ChunkId(b"\xff" * 32)
    with opened(tmp_path) as cache:
        cache.add_pack(pack_id(1000), entries([before, after]))
        for number in range(230):
            cache.add_pack(pack_id(number), entries([shared]))
    with opened(tmp_path) as cache:
        cache.forget([pack_id(number) for number in range(230) if number != 7])
        assert cache.lookup([before, shared, after]) == [
            Slot(pack_id(1000), 0, 100),
            Slot(pack_id(7), 0, 100),
            Slot(pack_id(1000), 1, 101),
        ]


def test_two_processes_that_add_the_same_pack_do_not_double_it(tmp_path: Path) -> None:
    for _ in range(6):
        with opened(tmp_path) as cache:
            add(cache, 1)
    with opened(tmp_path) as cache:
        assert cache.lookup(chunks_of(1, 50)) == expected(1)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.run")) < 3 * 4096 + 1024


# What a process that is killed leaves behind


def torn_at(tmp_path: Path, cut: Callable[[bytes], bytes]) -> set[PackId]:
    with opened(tmp_path) as cache:
        add(cache, 1)
        add(cache, 2)
    (journal,) = tmp_path.glob("*.journal")
    journal.write_bytes(cut(journal.read_bytes()))
    with opened(tmp_path) as cache:
        known = cache.pack_ids()
        for number in (1, 2):
            found = expected(number) if pack_id(number) in known else [None] * 50
            assert cache.lookup(chunks_of(number, 50)) == found
    return known


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 100, 1800])
def test_a_torn_tail_costs_only_the_last_pack(tmp_path: Path, cut: int) -> None:
    assert torn_at(tmp_path, lambda data: data[:-cut]) == {pack_id(1)}


def test_a_flipped_bit_costs_what_follows_it(tmp_path: Path) -> None:
    flipped = torn_at(tmp_path, lambda data: data[:-500] + b"\x55" + data[-499:])
    assert flipped == {pack_id(1)}


@pytest.mark.parametrize("left", [0, 3, 8, 12])
def test_a_journal_without_a_whole_record_is_empty(tmp_path: Path, left: int) -> None:
    assert torn_at(tmp_path, lambda data: data[:left]) == set()


def test_garbage_behind_whole_records_is_dropped(tmp_path: Path) -> None:
    garbage = b"\x01\0\0\0\xff\xff\xff\xff" + bytes(100)
    known = torn_at(tmp_path, lambda data: data + garbage)
    assert known == {pack_id(1), pack_id(2)}


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from engine.test_dedup_cache import add, opened
cache = opened(Path({folder!r}))
for number in range({first}, {first} + {count}):
    add(cache, number)
    print(number, flush=True)
"""


def writer_script(folder: Path, first: int, count: int) -> str:
    return WRITER.format(path=sys.path, folder=str(folder), first=first, count=count)


def test_what_a_killed_writer_reported_as_added_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    reported: list[int] = []
    for round_number, added_before_kill in enumerate((1, 9, 60, 85, 170)):
        script = writer_script(folder, 1000 * round_number, count=1000)
        with subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            reported += [int(writer.stdout.readline()) for _ in range(added_before_kill)]
            writer.send_signal(signal.SIGKILL)
            reported += [int(line) for line in writer.stdout if line.endswith("\n")]
        with opened(folder) as cache:
            assert {pack_id(number) for number in reported} <= cache.pack_ids()
            for number in reported:
                assert cache.lookup(chunks_of(number, 50)) == expected(number)
    assert list(folder.glob("*.tmp")) == []
    assert list(folder.glob("*.journal")) == []


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    scripts = [writer_script(tmp_path, first, count=200) for first in (1000, 2000, 3000)]
    writers = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
        for script in scripts
    ]
    for _ in range(15):
        opened(tmp_path).close()  # merges beside them
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with opened(tmp_path) as cache:
        numbers = [first + at for first in (1000, 2000, 3000) for at in range(200)]
        assert cache.pack_ids() == {pack_id(number) for number in numbers}
        for number in numbers:
            assert cache.lookup(chunks_of(number, 50)) == expected(number)


def test_an_unfinished_file_without_a_writer_is_removed(tmp_path: Path) -> None:
    opened(tmp_path).close()
    leftover = tmp_path / f"{7:012}-{'a' * 32}.tmp"
    leftover.write_bytes(b"half")
    unrelated = tmp_path / "notes.txt"
    unrelated.write_bytes(b"mine")
    opened(tmp_path).close()
    assert not leftover.exists()
    assert unrelated.exists()


# Damage


def one_run(folder: Path, chunks: int = 50) -> Path:
    with opened(folder, 64 << 20) as cache:
        for number in range(40):
            add(cache, number, chunks)
    opened(folder).close()
    (run,) = folder.glob("*.run")
    return run


def test_no_flipped_byte_of_a_run_ever_gives_a_wrong_slot(tmp_path: Path) -> None:
    run = one_run(tmp_path)
    whole = run.read_bytes()
    chunks = {number: chunks_of(number, 50) for number in range(40)}
    lost = 0
    for at in [*range(0, len(whole), 997), *range(len(whole) - 80, len(whole))]:
        run.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with opened(tmp_path) as cache:
            for number, names in chunks.items():
                found = cache.lookup(names)
                assert all(
                    slot in (None, right)
                    for slot, right in zip(found, expected(number), strict=True)
                )
            lost += not cache.pack_ids()
    assert lost > 50


@pytest.mark.parametrize("length", [0, 10, 4096, -1])
def test_a_run_that_was_cut_off_is_deleted_and_its_packs_are_unknown(
    tmp_path: Path, length: int
) -> None:
    run = one_run(tmp_path)
    run.write_bytes(run.read_bytes()[:length])
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == set()
        assert cache.lookup(chunks_of(1, 50)) == [None] * 50
        add(cache, 1)
        assert cache.lookup(chunks_of(1, 50)) == expected(1)
    assert not run.exists()


def test_a_page_that_went_bad_drops_its_run_when_it_is_read(tmp_path: Path) -> None:
    run = one_run(tmp_path, chunks=500)  # more than stays in memory
    data = bytearray(run.read_bytes())
    for page in range(0, 4096 * 190, 4096):
        data[page + 100] ^= 1
    with opened(tmp_path) as cache:
        run.write_bytes(data)  # behind its back: the file that it has open
        assert len(cache.pack_ids()) == 40
        assert cache.lookup(chunks_of(1, 500)) == [None] * 500
        assert cache.pack_ids() == set()
    assert not run.exists()


def test_a_run_found_damaged_while_merging_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    runs = []
    for number in range(3):
        with opened(tmp_path) as cache:
            add(cache, number, 500)
        opened(tmp_path).close()
        runs.append(max(tmp_path.glob("*.run")))
    data = bytearray(runs[1].read_bytes())
    data[200] ^= 1
    runs[1].write_bytes(data)
    with opened(tmp_path) as cache:
        add(cache, 3, 500)
    opened(tmp_path).close()
    with opened(tmp_path) as cache:
        assert cache.pack_ids() == {pack_id(0), pack_id(2), pack_id(3)}
        assert cache.lookup(chunks_of(2, 500)) == expected(2, 500)


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Unavailable) as raised:
        opened(blocked / "cache")
    assert raised.value.code == "CacheUnavailable"
    assert raised.value.hint


# Size and threads


def test_memory_stays_within_what_was_given(tmp_path: Path) -> None:
    memory_bytes, packs, chunks = 4 << 20, 120, 1000
    with opened(tmp_path, memory_bytes) as cache:
        add(cache, 10_000, chunks)  # what a first call imports and caches is not counted
        cache.lookup(chunks_of(10_000, chunks))
        tracemalloc.start()
        try:
            for number in range(packs):
                add(cache, number, chunks)
            gc.collect()
            resident, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert resident < memory_bytes * 3 // 4
        assert peak < memory_bytes
        for number in range(0, packs, 10):
            assert cache.lookup(chunks_of(number, chunks)) == expected(number, chunks)


def test_without_room_for_filters_everything_is_still_found(tmp_path: Path) -> None:
    with opened(tmp_path, 8 << 20) as cache:
        for number in range(400):
            add(cache, number, 2500)
    with opened(tmp_path, MEMORY_BYTES_MIN) as cache:
        for number in range(0, 400, 40):
            assert cache.lookup(chunks_of(number, 2500)[:300]) == expected(number, 2500)[:300]
        assert cache.lookup([chunk(at) for at in range(500)]) == [None] * 500


def test_threads_share_a_cache(tmp_path: Path) -> None:
    wrong: list[int] = []
    with opened(tmp_path) as cache:

        def work(first: int) -> None:
            for number in range(first, first + 60):
                add(cache, number)
                seen = first + (number - first) // 2
                if cache.lookup(chunks_of(seen, 50)) != expected(seen):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(1000 * at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@given(
    words=st.lists(st.integers(0, 40), max_size=300),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_that_collide_in_what_they_are_sorted_by_are_told_apart(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    names = [ChunkId(bytes(8) + word.to_bytes(24, "big")) for word in words]
    right: dict[ChunkId, Slot] = {}
    at = number = 0
    while at < len(names):
        count = sizes[number % len(sizes)]
        with opened(folder) as cache:
            cache.add_pack(pack_id(number), entries(names[at : at + count]))
        for slot, name in enumerate(names[at : at + count]):
            right[name] = Slot(pack_id(number), slot, 100 + slot)
        at, number = at + count, number + 1
    with opened(folder) as cache:
        for word in range(41):
            name = ChunkId(bytes(8) + word.to_bytes(24, "big"))
            (found,) = cache.lookup([name])
            assert (found is None) == (name not in right)
            if found is not None:
                assert found.pack_id == right[name].pack_id


class CacheAgainstDict(RuleBasedStateMachine):
    """Two processes that come and go, against a dict of what every pack holds."""

    chunk_numbers = st.lists(st.integers(0, 60), min_size=1, max_size=30)

    @initialize(merged_at_least=st.sampled_from([2, 4]), table_entries=st.sampled_from([3, 60]))
    def begin(self, merged_at_least: int, table_entries: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(dedup_runs, "_MERGED_AT_LEAST", merged_at_least)
        share = MEMORY_BYTES_MIN // 8 // table_entries
        self.patch.setattr(dedup_cache, "_TABLE_ENTRY_BYTES", share)
        self.folder = Path(self._temporary())
        self.cache = opened(self.folder)
        self.packs: dict[PackId, list[ChunkId]] = {}
        self.number = 0

    def _temporary(self) -> str:
        self.directory = tempfile.TemporaryDirectory()
        return self.directory.name

    @rule(numbers=chunk_numbers)
    def add_new_pack(self, numbers: list[int]) -> None:
        self.number += 1
        self._add(pack_id(self.number), [chunk(number) for number in numbers])

    @rule(pick=st.integers(0, 100))
    def add_known_pack_again(self, pick: int) -> None:
        if self.packs:
            known = sorted(self.packs)[pick % len(self.packs)]
            self._add(known, self.packs[known])

    @rule(picks=st.sets(st.integers(0, 40), max_size=5))
    def forget_packs(self, picks: set[int]) -> None:
        gone = {pack_id(pick) for pick in picks}
        self.cache.forget(gone)
        for name in gone:
            self.packs.pop(name, None)

    @rule()
    def another_process_takes_over(self) -> None:
        self.cache.close()
        self.cache = opened(self.folder)

    @rule()
    def another_process_looks_and_merges(self) -> None:
        with opened(self.folder) as other:
            assert other.pack_ids() == set(self.packs)

    @invariant()
    def it_finds_what_the_packs_hold(self) -> None:
        if not hasattr(self, "cache"):
            return
        assert self.cache.pack_ids() == set(self.packs)
        names = [chunk(number) for number in range(61)]
        for name, slot in zip(names, self.cache.lookup(names), strict=True):
            holders = [known for known, chunks in self.packs.items() if name in chunks]
            if slot is None:
                assert not holders
            else:
                assert self.packs[slot.pack_id][slot.slot] == name
                assert slot.stored_bytes == 100 + slot.slot

    def _add(self, name: PackId, chunks: list[ChunkId]) -> None:
        self.cache.add_pack(name, entries(chunks))
        self.packs[name] = chunks

    def teardown(self) -> None:
        if hasattr(self, "cache"):
            self.cache.close()
            self.directory.cleanup()
            self.patch.undo()


CacheAgainstDict.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
test_the_cache_agrees_with_a_dict = CacheAgainstDict.TestCase
