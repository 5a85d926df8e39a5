"""Patience: what is tried again, how long, and what became of a put whose reply was lost."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from imgrepl.errors import Conflict, Corrupt, Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import DeleteFailure, ObjectInfo, Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import Dice, Fault, FaultKind, FaultyStore
from imgrepl.testing.store_suite import StoreContract

POLICY = RetryPolicy(attempts_max=4, deadline_seconds=60, wait_seconds_first=1, wait_seconds_max=10)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def _retrying(
    clock: ManualClock, *faults: Fault, policy: RetryPolicy = POLICY
) -> tuple[RetryingStore, FaultyStore]:
    faulty = FaultyStore(MemoryStore(), *faults)
    return RetryingStore(faulty, policy, clock), faulty


class TestUnderManyLostRequestsAndReplies(StoreContract):
    """The contract while a third of all requests go wrong.

    For one writer: equal contents of two cannot be told apart after a lost reply.
    """

    def _wrapped(self, name: str) -> Store:
        dice = Dice(random.Random(name).random, 0.33)
        policy = RetryPolicy(attempts_max=60, deadline_seconds=1e9)
        faulty = FaultyStore(MemoryStore(name), dice=dice)
        return RetryingStore(faulty, policy, ManualClock())

    @pytest.fixture
    def store(self) -> Store:
        return self._wrapped("one")

    @pytest.fixture
    def neighbour(self) -> Store:
        return self._wrapped("two")

    def peek(self, store: Store, key: str) -> bytes:
        assert isinstance(store, RetryingStore)
        assert isinstance(store.inner, FaultyStore)
        return store.inner.inner.get(key)

    def plant(self, store: Store, key: str, content: bytes) -> None:
        assert isinstance(store, RetryingStore)
        assert isinstance(store.inner, FaultyStore)
        store.inner.inner.put(key, content)


def test_a_busy_server_is_asked_again_after_a_growing_random_wait(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REQUEST, "put", times=3))
    store.put("k", b"x")
    assert [verb for verb, _ in faulty.requests] == ["put"] * 4
    assert len(clock.slept_seconds) == 3
    assert all(
        0 <= slept <= most for slept, most in zip(clock.slept_seconds, (1, 2, 4), strict=True)
    )


def test_waits_differ_from_call_to_call() -> None:
    seen = set()
    for _ in range(20):
        clock = ManualClock()
        store, _faulty = _retrying(clock, Fault(FaultKind.LOST_REQUEST))
        store.put("k", b"x")
        seen.add(clock.slept_seconds[0])
    assert len(seen) > 15


def test_the_last_error_is_raised_when_attempts_run_out(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.BUSY, times=None))
    with pytest.raises(Unavailable) as caught:
        store.head("k")
    assert caught.value.code == "ServerBusy"
    assert len(faulty.requests) == POLICY.attempts_max


def test_a_wait_is_never_shorter_than_the_server_asked_for(clock: ManualClock) -> None:
    class Wishing(StoreWrapper):
        wishes = iter([7.0, 30.0])

        def head(self, key: str) -> ObjectInfo:
            for seconds in self.wishes:
                raise Unavailable("later", retry_after_seconds=seconds)
            return self.inner.head(key)

    inner = MemoryStore()
    inner.put("k", b"x")
    RetryingStore(Wishing(inner), POLICY, clock).head("k")
    assert clock.slept_seconds[0] >= 7
    assert clock.slept_seconds[1] >= 30


def test_no_wait_begins_that_would_end_after_the_deadline(clock: ManualClock) -> None:
    class Patient(StoreWrapper):
        def head(self, key: str) -> ObjectInfo:
            raise Unavailable(f"{key}: in an hour", retry_after_seconds=3600)

    with pytest.raises(Unavailable):
        RetryingStore(Patient(MemoryStore()), POLICY, clock).head("k")
    assert clock.slept_seconds == []


def test_time_spent_in_requests_counts_towards_the_deadline(clock: ManualClock) -> None:
    class Slow(StoreWrapper):
        attempts = 0

        def head(self, key: str) -> ObjectInfo:
            self.attempts += 1
            clock.advance(40)
            raise Unavailable(f"{key}: timed out")

    slow = Slow(MemoryStore())
    with pytest.raises(Unavailable):
        RetryingStore(slow, POLICY, clock).head("k")
    assert slow.attempts == 2


def test_a_full_place_is_told_at_once(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.FULL, times=None))
    with pytest.raises(Unavailable) as caught:
        store.put("k", b"x")
    assert caught.value.code == "PlaceFull"
    assert len(faulty.requests) == 1


@pytest.mark.parametrize("kind", [NotFound, Conflict, Corrupt, Invalid, NotAllowed, ValueError])
def test_what_patience_cannot_mend_is_raised_at_once(
    clock: ManualClock, kind: type[Exception]
) -> None:
    class Failing(StoreWrapper):
        attempts = 0

        def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
            self.attempts += 1
            raise kind(f"{key} {offset} {length}")

    failing = Failing(MemoryStore())
    with pytest.raises(kind):
        RetryingStore(failing, POLICY, clock).get("k")
    assert failing.attempts == 1


def test_a_crash_is_not_tried_again(clock: ManualClock) -> None:
    from imgrepl.testing.faulty import Crashed

    store, faulty = _retrying(clock, Fault(FaultKind.CRASH_AFTER, "put"))
    with pytest.raises(Crashed):
        store.put("k", b"x")
    assert faulty.requests == [("put", "k")]


def test_put_if_absent_whose_reply_was_lost_succeeds(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REPLY, "put"))
    info = store.put("k", b"mine", if_absent=True)
    assert info == faulty.inner.head("k")


def test_put_if_absent_whose_reply_was_lost_fails_when_another_came_first(
    clock: ManualClock,
) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REQUEST, "put"))
    faulty.inner.put("k", b"hers")
    with pytest.raises(Conflict):
        store.put("k", b"mine", if_absent=True)


def test_put_if_absent_of_the_same_bytes_fails_when_no_reply_was_lost(clock: ManualClock) -> None:
    store, faulty = _retrying(clock)
    faulty.inner.put("k", b"same")
    with pytest.raises(Conflict):
        store.put("k", b"same", if_absent=True)


def test_put_if_match_whose_reply_was_lost_succeeds(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REPLY, "put", skip=1))
    etag = store.put("k", b"one").etag
    assert store.put("k", b"two", if_match=etag).etag == faulty.inner.head("k").etag
    assert faulty.inner.get("k") == b"two"


def test_put_if_match_whose_reply_was_lost_fails_when_another_came_first(
    clock: ManualClock,
) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REQUEST, "put", skip=1))
    etag = store.put("k", b"one").etag
    faulty.inner.put("k", b"hers")
    with pytest.raises(Conflict):
        store.put("k", b"mine", if_match=etag)


@pytest.mark.parametrize("states_checksums", [True, False])
def test_a_landed_put_is_known_by_its_bytes_where_the_server_states_no_checksum(
    clock: ManualClock, states_checksums: bool
) -> None:
    class Silent(StoreWrapper):
        def head(self, key: str) -> ObjectInfo:
            info = self.inner.head(key)
            return ObjectInfo(key=key, size_bytes=info.size_bytes, etag=info.etag)

    memory = MemoryStore()
    inner = memory if states_checksums else Silent(memory)
    faulty = FaultyStore(inner, Fault(FaultKind.LOST_REPLY, "put"))
    RetryingStore(faulty, POLICY, clock).put("k", b"mine", if_absent=True)
    assert ("get" in [verb for verb, _ in faulty.requests]) is not states_checksums


def test_looking_for_a_landed_put_is_patient_too(clock: ManualClock) -> None:
    store, faulty = _retrying(
        clock, Fault(FaultKind.LOST_REPLY, "put"), Fault(FaultKind.LOST_REQUEST, "head")
    )
    store.put("k", b"mine", if_absent=True)
    assert faulty.inner.get("k") == b"mine"


def test_a_put_that_vanished_again_stays_a_conflict(clock: ManualClock) -> None:
    store, _ = _retrying(clock, Fault(FaultKind.LOST_REPLY, "put"), Fault(FaultKind.ABSENT, "head"))
    with pytest.raises(Conflict):
        store.put("k", b"mine", if_absent=True)


def test_the_body_is_hashed_once_over_all_attempts(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REQUEST, "put", times=3))
    seen = []
    real = faulty.inner.put

    def put(key: str, body: bytes, **options: bytes | None) -> ObjectInfo:
        seen.append(options["sha256"])
        return real(key, body)

    monkeypatch.setattr(faulty.inner, "put", put)
    store.put("k", b"x")
    assert seen == [hashlib.sha256(b"x").digest()]


class _BreakingListing(StoreWrapper):
    """Breaks off a listing after `given` keys, `times` times."""

    def __init__(self, inner: Store, given: int, times: int) -> None:
        super().__init__(inner)
        self.given, self.times, self.starts = given, times, list[str]()

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self.starts.append(start_after)
        for position, info in enumerate(self.inner.list(prefix, start_after=start_after)):
            if position == self.given and self.times:
                self.times -= 1
                raise Unavailable("page 2 failed")
            yield info
        if self.times and self.given == -1:
            self.times -= 1
            raise Unavailable("the last page failed")


@pytest.mark.parametrize("given", [0, 1, 5, 9, -1])
def test_a_listing_that_breaks_goes_on_where_it_was_and_gives_each_key_once(
    clock: ManualClock, given: int
) -> None:
    memory = MemoryStore()
    keys = [f"k{number}" for number in range(10)]
    for key in keys:
        memory.put(key, b"x")
    breaking = _BreakingListing(memory, given, times=3)
    store = RetryingStore(breaking, POLICY, clock)
    assert [info.key for info in store.list("")] == keys
    assert clock.slept_seconds
    assert breaking.starts[1] == {0: "", -1: "k9"}.get(given, f"k{given - 1}")


def test_a_listing_that_never_ends_well_raises(clock: ManualClock) -> None:
    memory = MemoryStore()
    for number in range(3):
        memory.put(f"k{number}", b"x")
    store = RetryingStore(_BreakingListing(memory, 0, times=99), POLICY, clock)
    with pytest.raises(Unavailable):
        list(store.list(""))


class _Reluctant(StoreWrapper):
    """Refuses to delete some keys, each as often as it is told to."""

    def __init__(self, inner: Store, busy: dict[str, int], forbidden: Sequence[str] = ()) -> None:
        super().__init__(inner)
        self.busy, self.forbidden, self.asked = busy, forbidden, list[list[str]]()

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        self.asked.append(list(keys))
        failures = [
            DeleteFailure(key=k, reason="AccessDenied") for k in keys if k in self.forbidden
        ]
        for key in keys:
            if self.busy.get(key, 0):
                self.busy[key] -= 1
                failures.append(DeleteFailure(key=key, reason="SlowDown", transient=True))
        failed = {failure.key for failure in failures}
        self.inner.delete([key for key in keys if key not in failed])
        return failures


def test_only_the_keys_that_were_refused_for_now_are_deleted_again(clock: ManualClock) -> None:
    reluctant = _Reluctant(MemoryStore(), {"b": 2}, forbidden=["c"])
    failures = RetryingStore(reluctant, POLICY, clock).delete(["a", "b", "c"])
    assert [failure.key for failure in failures] == ["c"]
    assert reluctant.asked == [["a", "b", "c"], ["b"], ["b"]]


def test_keys_that_stay_refused_are_told(clock: ManualClock) -> None:
    reluctant = _Reluctant(MemoryStore(), {"b": 99}, forbidden=["c"])
    failures = RetryingStore(reluctant, POLICY, clock).delete(["a", "b", "c"])
    assert sorted(failure.key for failure in failures) == ["b", "c"]


def test_a_copy_is_tried_again(clock: ManualClock) -> None:
    store, faulty = _retrying(clock, Fault(FaultKind.LOST_REPLY, "copy_from"))
    store.put("k", b"x")
    store.copy_from(store, "k", "copy")
    assert faulty.inner.get("copy") == b"x"


_Verb = Callable[[RetryingStore], object]


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda store: store.head("k"), id="head"),
        pytest.param(lambda store: store.get("k"), id="get"),
        pytest.param(lambda store: list(store.list("")), id="list"),
        pytest.param(lambda store: store.put("k", b"x"), id="put"),
        pytest.param(lambda store: store.delete(["k"]), id="delete"),
        pytest.param(lambda store: store.copy_from(store, "k", "k2"), id="copy"),
    ],
)
def test_every_verb_is_tried_again(clock: ManualClock, verb: _Verb) -> None:
    store, faulty = _retrying(clock)
    store.put("k", b"x")
    faulty.faults.append(Fault(FaultKind.BUSY, times=2))
    verb(store)
    assert len(clock.slept_seconds) == 2
