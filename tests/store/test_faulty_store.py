"""The store that fails fails as it was told to, and nowhere else."""

import random
from collections.abc import Callable

import pytest

from imgrepl.errors import NotFound, Unavailable
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Store
from imgrepl.testing.faulty import Crashed, Dice, Fault, FaultKind, FaultyStore, damaged, flipped
from imgrepl.testing.store_suite import StoreSuite


class TestFaultyStoreWithoutFaults(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return FaultyStore(MemoryStore("one"))

    @pytest.fixture
    def neighbour(self) -> Store:
        return FaultyStore(MemoryStore("two"))

    def peek(self, store: Store, key: str) -> bytes:
        assert isinstance(store, FaultyStore)
        return store.inner.get(key)

    def plant(self, store: Store, key: str, content: bytes) -> None:
        assert isinstance(store, FaultyStore)
        store.inner.put(key, content)


def _faulty(*faults: Fault) -> FaultyStore:
    store = FaultyStore(MemoryStore(), *faults)
    store.inner.put("k", b"content")
    return store


def test_a_fault_befalls_the_requests_it_names_and_no_others() -> None:
    store = _faulty(Fault(FaultKind.LOST_REQUEST, "head", key_part="k", skip=1, times=2))
    store.inner.put("other", b"x")
    store.get("k")
    store.head("other")
    store.head("k")
    for _ in range(2):
        with pytest.raises(Unavailable):
            store.head("k")
    store.head("k")


@pytest.mark.parametrize(
    ("kind", "is_stored"),
    [(FaultKind.LOST_REQUEST, False), (FaultKind.LOST_REPLY, True), (FaultKind.BUSY, False)],
)
def test_a_lost_reply_stores_and_a_lost_request_does_not(kind: FaultKind, is_stored: bool) -> None:
    store = _faulty(Fault(kind, "put"))
    with pytest.raises(Unavailable):
        store.put("new", b"x")
    assert ("new" in [info.key for info in store.inner.list("")]) is is_stored


@pytest.mark.parametrize(
    ("kind", "is_stored"), [(FaultKind.CRASH_BEFORE, False), (FaultKind.CRASH_AFTER, True)]
)
def test_a_dead_process_asks_nothing_until_it_is_revived(kind: FaultKind, is_stored: bool) -> None:
    store = _faulty(Fault(kind, "put"))
    with pytest.raises(Crashed):
        store.put("new", b"x")
    with pytest.raises(Crashed):
        store.get("k")
    store.revive()
    assert store.get("k") == b"content"
    assert ("new" in [info.key for info in store.list("")]) is is_stored


def test_a_crash_is_caught_by_no_handler_of_errors() -> None:
    assert not issubclass(Crashed, Exception)


def test_reads_can_be_wrong_in_each_way() -> None:
    store = _faulty(Fault(FaultKind.BIT_FLIP))
    store.inner.put("a", b"another content")
    assert store.get("k") == b"condent"
    store.faults = [Fault(FaultKind.TRUNCATED)]
    assert store.get("k") == b"con"
    store.faults = [Fault(FaultKind.WRONG_OBJECT)]
    assert store.get("k") == b"another"
    store.faults = [Fault(FaultKind.ABSENT)]
    with pytest.raises(NotFound):
        store.get("k")
    assert store.get("k") == b"content"


def test_a_frozen_listing_shows_what_is_gone_and_hides_what_is_new() -> None:
    store = _faulty()
    store.freeze_listings()
    store.put("new", b"x")
    store.delete(["k"])
    assert [info.key for info in store.list("")] == ["k"]
    assert list(store.list("", start_after="k")) == []
    store.thaw_listings()
    assert [info.key for info in store.list("")] == ["new"]


def test_a_full_place_takes_no_copy_either_but_is_read() -> None:
    store = _faulty(Fault(FaultKind.FULL, times=None))
    writes: list[Callable[[], object]] = [
        lambda: store.put("new", b"x"),
        lambda: store.copy_from(store, "k", "new"),
    ]
    for write in writes:
        with pytest.raises(Unavailable) as caught:
            write()
        assert caught.value.code == "PlaceFull"
    assert store.get("k") == b"content"


def test_requests_are_remembered_with_those_that_failed() -> None:
    store = _faulty(Fault(FaultKind.BUSY, "get"))
    with pytest.raises(Unavailable):
        store.get("k")
    list(store.list("p"))
    assert store.requests == [("get", "k"), ("list", "p")]


def test_dice_of_one_seed_fall_alike() -> None:
    def fate(seed: int) -> list[bool]:
        store = _faulty()
        store.dice = Dice(random.Random(seed).random, 0.5)
        outcomes = []
        for _ in range(50):
            try:
                store.head("k")
            except Unavailable:
                outcomes.append(False)
            else:
                outcomes.append(True)
        return outcomes

    assert fate(1) == fate(1) != fate(2)
    assert 10 < sum(fate(1)) < 40


def test_damage_at_rest_stays_and_the_stated_checksum_does_not_tell() -> None:
    store = _faulty()
    before = store.head("k")
    damaged(store, "k", lambda content: flipped(content, 0))
    assert store.get("k") == store.get("k") == b"bontent"
    assert store.head("k") == before


@pytest.mark.parametrize("bit", [0, 7, 8, 55, 56, 1000])
def test_one_bit_and_no_more_is_flipped(bit: int) -> None:
    spoilt = flipped(b"content", bit)
    assert sum((a ^ b).bit_count() for a, b in zip(spoilt, b"content", strict=True)) == 1
