"""Conditions on a server that has none: a look before each put, and what a look cannot do."""

from dataclasses import replace

import pytest

from imgrepl.errors import Conflict, NotFound, Unavailable
from imgrepl.model.capabilities import Capabilities
from imgrepl.store.looking_first import LookingFirstStore
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import ObjectInfo, Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.wrapping import StoreWrapper, bare
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import Fault, FaultKind, FaultyStore
from imgrepl.testing.store_suite import StoreContract
from imgrepl.testing.unconditional import UnconditionalStore

CAPABLE = Capabilities(
    server="memory",
    conditional_put=True,
    conditional_swap=True,
    checksum_checked=True,
    checksum_returned=True,
    server_copy=True,
    copy_keeps_checksum=True,
    copy_rehashes=False,
)
PLAIN = replace(CAPABLE, conditional_put=False, conditional_swap=False)


def _looking(
    *faults: Fault, can: Capabilities = PLAIN
) -> tuple[Store, FaultyStore, UnconditionalStore]:
    server = UnconditionalStore(MemoryStore())
    faulty = FaultyStore(server, *faults)
    looking = LookingFirstStore(faulty, lambda: can)
    return RetryingStore(looking, RetryPolicy(), ManualClock()), faulty, server


class TestOverAServerWithoutConditions(StoreContract):
    """The contract for one writer at a time: those of one moment are not told apart."""

    @pytest.fixture
    def store(self) -> Store:
        return _looking()[0]

    @pytest.fixture
    def neighbour(self) -> Store:
        return _looking()[0]

    def peek(self, store: Store, key: str) -> bytes:
        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        return origin.get(key)

    def plant(self, store: Store, key: str, content: bytes) -> None:
        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        origin.put(key, content)


def test_a_server_with_conditions_is_asked_nothing_more() -> None:
    store, faulty, _ = _looking(can=CAPABLE)
    etag = store.put("k", b"one", if_absent=True).etag
    store.put("k", b"two", if_match=etag)
    assert faulty.requests == [("put", "k"), ("put", "k")]


def test_puts_without_conditions_cost_no_look_and_no_probe() -> None:
    def never() -> Capabilities:
        raise AssertionError("asked what the server can do")

    faulty = FaultyStore(MemoryStore())
    LookingFirstStore(faulty, never).put("k", b"one")
    assert faulty.requests == [("put", "k")]


@pytest.mark.parametrize("can", [PLAIN, replace(CAPABLE, conditional_put=False)])
def test_each_new_name_costs_one_look(can: Capabilities) -> None:
    store, faulty, _ = _looking(can=can)
    store.put("k", b"one", if_absent=True)
    assert faulty.requests == [("head", "k"), ("put", "k")]


def test_a_swap_is_looked_at_where_only_swaps_are_missing() -> None:
    store, faulty, _ = _looking(can=replace(CAPABLE, conditional_swap=False))
    etag = store.put("k", b"one", if_absent=True).etag
    store.put("k", b"two", if_match=etag)
    with pytest.raises(Conflict) as stale:
        store.put("k", b"three", if_match=etag)
    assert stale.value.code == "ObjectChanged"
    assert store.get("k") == b"two"
    assert [verb for verb, _ in faulty.requests] == ["put", "head", "put", "head", "get"]


def test_a_lost_reply_is_found_by_the_next_look_and_nothing_is_sent_twice() -> None:
    store, faulty, _ = _looking(Fault(FaultKind.LOST_REPLY, verb="put"))
    store.put("k", b"one", if_absent=True)
    assert [verb for verb, _ in faulty.requests].count("put") == 1


def test_who_wrote_while_a_request_was_lost_is_not_overwritten_by_its_repetition() -> None:
    server = UnconditionalStore(MemoryStore())
    faulty = FaultyStore(server, Fault(FaultKind.LOST_REQUEST, verb="put"))

    class Meanwhile(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            server.inner.put("k", b"theirs")

    patient = RetryingStore(LookingFirstStore(faulty, lambda: PLAIN), RetryPolicy(), Meanwhile())
    with pytest.raises(Conflict):
        patient.put("k", b"ours", if_absent=True)
    assert server.get("k") == b"theirs"


def test_nothing_is_put_where_the_look_gets_no_answer() -> None:
    server = FaultyStore(MemoryStore(), Fault(FaultKind.LOST_REQUEST, verb="head", times=None))
    with pytest.raises(Unavailable):
        LookingFirstStore(server, lambda: PLAIN).put("k", b"one", if_absent=True)
    assert [verb for verb, _ in server.requests] == ["head"]


def test_a_missing_bucket_is_not_taken_for_a_free_name() -> None:
    class Gone(StoreWrapper):
        def head(self, key: str) -> ObjectInfo:
            raise NotFound("there is no bucket", code="BucketMissing", target=key)

    with pytest.raises(NotFound, match="no bucket"):
        LookingFirstStore(Gone(MemoryStore()), lambda: PLAIN).put("k", b"one", if_absent=True)
    with pytest.raises(NotFound, match="no bucket"):
        LookingFirstStore(Gone(MemoryStore()), lambda: PLAIN).put("k", b"one", if_match="etag")


def test_of_two_writers_in_the_same_moment_neither_is_told() -> None:
    """What the format says of such servers: this is why nothing is collected there."""
    store, _, server = _looking()
    server.between = lambda: server.inner.put("k", b"theirs")
    store.put("k", b"ours", if_absent=True)
    assert server.inner.get("k") == b"ours"
