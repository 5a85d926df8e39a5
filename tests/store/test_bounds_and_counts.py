"""Throttles bound what they say and meters count what was really moved."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from imgrepl.errors import NotFound, Unavailable
from imgrepl.store.memory import MemoryStore
from imgrepl.store.metered import Meter, MeteredStore, Traffic
from imgrepl.store.protocols import Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.throttled import Bucket, Throttle, ThrottledStore
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import Fault, FaultKind, FaultyStore
from imgrepl.testing.store_suite import StoreSuite

MIB = 1 << 20


class TestAllWrappersTogether(StoreSuite):
    def _wrapped(self, name: str) -> Store:
        clock = ManualClock()
        throttle = Throttle(
            sent_bytes=Bucket(MIB, MIB, clock),
            received_bytes=Bucket(MIB, MIB, clock),
            requests=Bucket(100, 10, clock),
        )
        bare = MemoryStore(name)
        return RetryingStore(
            ThrottledStore(MeteredStore(bare, Meter()), throttle), RetryPolicy(), clock
        )

    @pytest.fixture
    def store(self) -> Store:
        return self._wrapped("one")

    @pytest.fixture
    def neighbour(self) -> Store:
        return self._wrapped("two")

    def peek(self, store: Store, key: str) -> bytes:
        from imgrepl.store.wrapping import bare

        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        return origin.get(key)

    def plant(self, store: Store, key: str, content: bytes) -> None:
        from imgrepl.store.wrapping import bare

        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        origin.put(key, content)


def test_a_bucket_lets_its_burst_through_and_holds_its_rate_afterwards() -> None:
    clock = ManualClock()
    bucket = Bucket(10, 5, clock)
    for _ in range(5):
        bucket.take(1)
    assert clock.slept_seconds == []
    for _ in range(20):
        bucket.take(1)
    assert clock.monotonic() == pytest.approx(2.0)


def test_a_rest_fills_a_bucket_no_higher_than_its_burst() -> None:
    clock = ManualClock()
    bucket = Bucket(10, 5, clock)
    clock.advance(3600)
    bucket.take(5)
    assert clock.slept_seconds == []
    bucket.take(1)
    assert clock.slept_seconds == [pytest.approx(0.1)]


def test_a_body_larger_than_the_burst_passes_and_is_paid_for() -> None:
    clock = ManualClock()
    bucket = Bucket(MIB, MIB, clock)
    bucket.take(16 * MIB)
    assert clock.monotonic() == pytest.approx(15)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, -1)])
def test_a_bucket_that_bounds_nothing_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="bound nothing"):
        Bucket(rate, burst, ManualClock())


def test_stores_that_share_a_throttle_share_its_rate() -> None:
    clock = ManualClock()
    throttle = Throttle(sent_bytes=Bucket(1000, 0, clock))
    one, two = (ThrottledStore(MemoryStore(name), throttle) for name in ("a", "b"))
    one.put("k", bytes(1000))
    two.put("k", bytes(1000))
    assert clock.monotonic() == pytest.approx(2)


def test_each_verb_pays_for_a_request_and_reads_pay_for_their_bytes() -> None:
    clock = ManualClock()
    throttle = Throttle(requests=Bucket(1, 0, clock), received_bytes=Bucket(10, 0, clock))
    store = ThrottledStore(MemoryStore(), throttle)
    store.put("k", bytes(20))
    store.head("k")
    store.copy_from(store, "k", "copy")
    list(store.list(""))
    store.delete(["copy"])
    assert clock.monotonic() == pytest.approx(5)
    store.get("k")
    store.get("k", offset=0, length=10)
    assert clock.monotonic() == pytest.approx(5 + 1 + 2 + 1 + 1)


def test_a_listing_pays_for_each_page() -> None:
    clock = ManualClock()
    inner = MemoryStore()
    for number in range(2001):
        inner.put(f"{number:05}", b"")
    list(ThrottledStore(inner, Throttle(requests=Bucket(1, 0, clock))).list(""))
    assert clock.monotonic() == pytest.approx(3)


def test_a_meter_counts_each_verb_and_its_bytes() -> None:
    meter = Meter()
    store = MeteredStore(MemoryStore("one"), meter)
    store.put("k", memoryview(bytes(100)))
    store.get("k")
    store.get("k", offset=10, length=5)
    store.head("k")
    list(store.list(""))
    store.copy_from(store, "k", "copy")
    store.delete([f"x{number}" for number in range(1001)])
    assert meter.total == Traffic(
        sent_bytes=100,
        received_bytes=105,
        server_copied_bytes=100,
        puts=1,
        gets=2,
        heads=1,
        lists=1,
        copies=1,
        deletes=2,
    )
    assert meter.total.requests == 8


def test_a_meter_counts_what_failed_too_but_no_bytes_that_never_came() -> None:
    meter = Meter()
    store = MeteredStore(MemoryStore(), meter)
    with pytest.raises(NotFound):
        store.get("k")
    with pytest.raises(NotFound):
        store.copy_from(store, "k", "copy")
    assert (meter.total.gets, meter.total.copies) == (1, 1)
    assert meter.total.received_bytes == meter.total.server_copied_bytes == 0


def test_each_attempt_is_counted_where_retrying_wraps_metering() -> None:
    meter = Meter()
    faulty = FaultyStore(MemoryStore(), Fault(FaultKind.LOST_REQUEST, "put", times=2))
    policy = RetryPolicy(attempts_max=3)
    store = RetryingStore(MeteredStore(faulty, meter), policy, ManualClock())
    store.put("k", bytes(10))
    assert (meter.total.puts, meter.total.sent_bytes) == (3, 30)


def test_a_put_that_fails_was_sent_nevertheless() -> None:
    meter = Meter()
    store = MeteredStore(FaultyStore(MemoryStore(), Fault(FaultKind.FULL)), meter)
    with pytest.raises(Unavailable):
        store.put("k", bytes(10))
    assert meter.total.sent_bytes == 10


def test_counts_of_many_threads_are_all_kept() -> None:
    meter = Meter()
    store = MeteredStore(MemoryStore(), meter)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"k{number}", b"xy"), range(400)))
    assert (meter.total.puts, meter.total.sent_bytes) == (400, 800)


def test_traffic_of_a_while_is_a_difference() -> None:
    before, after = Traffic(puts=1, sent_bytes=5), Traffic(puts=3, sent_bytes=9, gets=1)
    assert after - before == Traffic(puts=2, sent_bytes=4, gets=1)
    assert before + (after - before) == after
