"""The contract of a store as tests: a back end proves itself by a subclass of ten lines.

Only pytest is needed beside the package. Everything is checked behind the store's back as well, by
`peek` and `plant`, so that a store cannot agree with itself alone.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imgrepl.errors import Conflict, Corrupt, ImgreplError, Invalid, NotFound
from imgrepl.store.protocols import Store

TEN = b"0123456789"
TRICKY_KEYS = ("a/b/c", "a/b-c", "a/b.c", "a-b", "a.b", "a/b0c", "a0b", "a(b/c", "a_b", "aB", "b")
BAD_KEYS = (
    *("", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/./b", "a\n", "a\0b", "ä"),
    *("x" * 901, "x" * 256, ".imgrepl-lock", "a/.imgrepl-parts/b"),
)
RANGES = (
    *((0, None), (0, 10), (0, 1), (9, 1), (3, 4), (10, None), (12, None), (5, None), (5, 0)),
    *((-1, None), (-10, None), (-11, None), (-300, None), (10, 0)),
)


class StoreContract(ABC):
    """What every store must do for one caller at a time.

    A subclass gives the fixtures `store`, an empty place, and `neighbour`, an empty one on the same
    server; and `peek` and `plant`.
    """

    @abstractmethod
    def peek(self, store: Store, key: str) -> bytes:
        """The bytes under `key`, read without the store."""

    @abstractmethod
    def plant(self, store: Store, key: str, content: bytes) -> None:
        """Puts bytes under `key` without the store."""

    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    @pytest.mark.parametrize("size_bytes", [0, 1, 4096, 65_536, 65_537, (1 << 20) + 1])
    def test_put_stores_exactly_the_bytes_given(self, store: Store, size_bytes: int) -> None:
        body = bytes(range(256)) * (size_bytes // 256 + 1)
        body = body[:size_bytes]
        info = store.put("packs/ab/one", body)
        assert self.peek(store, "packs/ab/one") == body
        assert store.get("packs/ab/one") == body
        assert (info.key, info.size_bytes) == ("packs/ab/one", size_bytes)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_put_takes_any_body(self, store: Store, kind: Callable[[bytes], bytes]) -> None:
        store.put("k", kind(TEN), sha256=hashlib.sha256(TEN).digest())
        assert self.peek(store, "k") == TEN

    def test_put_takes_a_slice_of_a_larger_buffer(self, store: Store) -> None:
        store.put("k", memoryview(b"xx" + TEN + b"yy")[2:12])
        assert self.peek(store, "k") == TEN

    def test_get_gives_what_others_stored(self, store: Store) -> None:
        self.plant(store, "a/b", TEN)
        assert store.get("a/b") == TEN

    def test_put_replaces_what_was_there(self, store: Store) -> None:
        store.put("k", b"a long first content")
        store.put("k", b"second")
        assert self.peek(store, "k") == b"second"

    def test_put_refuses_a_body_that_is_not_what_its_digest_says(self, store: Store) -> None:
        with pytest.raises(Corrupt) as caught:
            store.put("k", TEN, sha256=hashlib.sha256(b"other").digest())
        assert caught.value.code == "BadDigest"
        with pytest.raises(NotFound):
            store.head("k")

    def test_head_agrees_with_put(self, store: Store) -> None:
        put, head = store.put("a/b", TEN), store.head("a/b")
        assert (head.key, head.size_bytes, head.etag) == ("a/b", 10, put.etag)

    def test_a_checksum_that_is_stated_is_right(self, store: Store) -> None:
        put, head = store.put("k", TEN), store.head("k")
        assert {put.sha256, head.sha256} <= {None, hashlib.sha256(TEN).digest()}

    @pytest.mark.parametrize("verb", ["head", "get"])
    def test_reading_what_is_missing_raises_not_found(self, store: Store, verb: str) -> None:
        store.put("there", TEN)
        with pytest.raises(NotFound) as caught:
            getattr(store, verb)("there-not")
        assert caught.value.code == "ObjectNotFound"

    @pytest.mark.parametrize(("offset", "length"), RANGES)
    def test_get_gives_the_range_asked_for(
        self, store: Store, offset: int, length: int | None
    ) -> None:
        store.put("k", TEN)
        end = None if length is None else offset + length
        assert store.get("k", offset=offset, length=length) == TEN[offset:end]

    @pytest.mark.parametrize("offset", [0, 5, -5])
    def test_get_of_an_empty_object_gives_nothing(self, store: Store, offset: int) -> None:
        store.put("k", b"")
        assert store.get("k", offset=offset) == b""

    @pytest.mark.parametrize(("offset", "length"), [(0, 11), (9, 2), (10, 1), (500, 1), (11, 0)])
    def test_get_raises_when_the_object_ends_before_the_range(
        self, store: Store, offset: int, length: int
    ) -> None:
        store.put("k", TEN)
        with pytest.raises(Corrupt) as caught:
            store.get("k", offset=offset, length=length)
        assert caught.value.code == "ObjectTruncated"

    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
    def test_get_refuses_a_range_that_no_object_has(
        self, store: Store, offset: int, length: int
    ) -> None:
        store.put("k", TEN)
        with pytest.raises(Invalid):
            store.get("k", offset=offset, length=length)

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_keys_that_lead_astray_are_refused_by_every_verb(self, store: Store, key: str) -> None:
        store.put("k", TEN)
        verbs: list[Callable[[], object]] = [
            lambda: store.put(key, TEN),
            lambda: store.get(key),
            lambda: store.head(key),
            lambda: store.delete([key]),
            lambda: store.copy_from(store, "k", key),
            lambda: store.copy_from(store, key, "k2"),
        ]
        for verb in verbs:
            with pytest.raises(Invalid) as caught:
                verb()
            assert caught.value.code == "InvalidKey"

    def test_put_if_absent_creates(self, store: Store) -> None:
        store.put("k", TEN, if_absent=True)
        assert self.peek(store, "k") == TEN

    def test_put_if_absent_leaves_an_existing_object_alone(self, store: Store) -> None:
        store.put("k", TEN)
        with pytest.raises(Conflict) as caught:
            store.put("k", b"other", if_absent=True)
        assert caught.value.code == "ObjectExists"
        assert self.peek(store, "k") == TEN

    def test_put_if_match_replaces_the_object_that_was_read(self, store: Store) -> None:
        first = store.put("k", b"one")
        second = store.put("k", b"two", if_match=first.etag)
        assert self.peek(store, "k") == b"two"
        assert store.head("k").etag == second.etag

    def test_put_if_match_leaves_a_changed_object_alone(self, store: Store) -> None:
        first = store.put("k", b"one")
        store.put("k", b"two")
        with pytest.raises(Conflict) as caught:
            store.put("k", b"six", if_match=first.etag)
        assert caught.value.code == "ObjectChanged"
        assert self.peek(store, "k") == b"two"

    def test_put_if_match_creates_nothing(self, store: Store) -> None:
        first = store.put("k", b"one")
        store.delete(["k"])
        with pytest.raises(Conflict) as caught:
            store.put("k", b"two", if_match=first.etag)
        assert caught.value.code == "ObjectChanged"
        with pytest.raises(NotFound):
            store.head("k")

    def test_put_if_match_takes_the_etag_of_a_listing(self, store: Store) -> None:
        store.put("k", b"one")
        (listed,) = store.list("k")
        store.put("k", b"two", if_match=listed.etag)
        assert self.peek(store, "k") == b"two"

    def test_put_refuses_two_conditions(self, store: Store) -> None:
        with pytest.raises(Invalid):
            store.put("k", TEN, if_absent=True, if_match="x")

    def test_a_place_that_holds_nothing_lists_nothing(self, store: Store) -> None:
        assert list(store.list("")) == []

    def test_list_gives_keys_in_order(self, store: Store) -> None:
        for key in TRICKY_KEYS:
            store.put(key, TEN)
        assert [info.key for info in store.list("")] == sorted(TRICKY_KEYS)

    @pytest.mark.parametrize("prefix", ["a", "a/", "a/b", "a/b/", "a/b/c", "a-", "c", "a/b/cd"])
    def test_list_gives_all_that_begins_with_the_prefix(self, store: Store, prefix: str) -> None:
        for key in TRICKY_KEYS:
            store.put(key, TEN)
        wanted = sorted(key for key in TRICKY_KEYS if key.startswith(prefix))
        assert [info.key for info in store.list(prefix)] == wanted

    def test_list_starts_after_any_key(self, store: Store) -> None:
        for key in TRICKY_KEYS:
            store.put(key, TEN)
        for prefix in ("", "a/"):
            for start in (*TRICKY_KEYS, "0", "a", "a/b/", "zz"):
                wanted = sorted(k for k in TRICKY_KEYS if k > start and k.startswith(prefix))
                assert [info.key for info in store.list(prefix, start_after=start)] == wanted

    def test_list_states_sizes(self, store: Store) -> None:
        store.put("a", TEN)
        store.put("b", b"x" * 70_000)
        assert [(info.key, info.size_bytes) for info in store.list("")] == [
            ("a", 10),
            ("b", 70_000),
        ]
        assert {info.sha256 for info in store.list("")} == {None}

    def test_list_shows_nothing_of_a_neighbour(self, store: Store, neighbour: Store) -> None:
        neighbour.put("k", TEN)
        assert list(store.list("")) == []

    def test_list_refuses_a_prefix_that_leads_out(self, store: Store) -> None:
        with pytest.raises(Invalid):
            list(store.list("../"))

    def test_delete_removes_what_is_named_and_nothing_else(self, store: Store) -> None:
        for key in ("a", "b/a", "b/c", "d"):
            store.put(key, TEN)
        assert list(store.delete(["b/a", "a"])) == []
        assert [info.key for info in store.list("")] == ["b/c", "d"]

    def test_deleting_what_is_absent_counts_as_deleted(self, store: Store) -> None:
        store.put("a", TEN)
        assert list(store.delete(["a", "b/c"])) == []
        assert list(store.delete(["a"])) == []
        assert list(store.delete([])) == []

    def test_a_deleted_key_can_be_made_again(self, store: Store) -> None:
        store.put("k", TEN)
        store.delete(["k"])
        store.put("k", b"again", if_absent=True)
        assert self.peek(store, "k") == b"again"

    def test_more_keys_than_one_request_takes_are_listed_and_deleted(self, store: Store) -> None:
        keys = [f"packs/{number:04}" for number in range(1003)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, b"x"), keys))
        assert [info.key for info in store.list("packs/")] == keys
        assert list(store.delete(keys[:-1])) == []
        assert [info.key for info in store.list("")] == keys[-1:]

    def test_copy_from_a_neighbour_gives_the_same_bytes(
        self, store: Store, neighbour: Store
    ) -> None:
        neighbour.put("from/k", TEN)
        assert store.can_copy_from(neighbour)
        info = store.copy_from(neighbour, "from/k", "to/k")
        assert (info.key, info.size_bytes) == ("to/k", 10)
        assert info.sha256 in (None, hashlib.sha256(TEN).digest())
        assert self.peek(store, "to/k") == TEN
        assert self.peek(neighbour, "from/k") == TEN

    def test_a_copy_shares_no_fate_with_its_source(self, store: Store, neighbour: Store) -> None:
        neighbour.put("k", TEN)
        store.copy_from(neighbour, "k", "k")
        neighbour.put("k", b"changed")
        neighbour.delete(["k"])
        assert self.peek(store, "k") == TEN

    def test_copy_replaces_what_was_there(self, store: Store, neighbour: Store) -> None:
        neighbour.put("k", TEN)
        store.put("k", b"old")
        store.copy_from(neighbour, "k", "k")
        assert self.peek(store, "k") == TEN

    def test_copy_of_what_is_missing_raises_not_found(self, store: Store, neighbour: Store) -> None:
        neighbour.put("there", TEN)
        with pytest.raises(NotFound):
            store.copy_from(neighbour, "not-there", "k")
        with pytest.raises(NotFound):
            store.head("k")

    def test_copy_from_a_stranger_is_refused(self, store: Store) -> None:
        stranger = object()
        assert not store.can_copy_from(stranger)
        with pytest.raises(Invalid) as caught:
            store.copy_from(stranger, "k", "k")
        assert caught.value.code == "CopyNotSupported"

    def test_errors_name_the_key(self, store: Store) -> None:
        store.put("there", TEN)
        with pytest.raises(ImgreplError, match=r"packs/xy"):
            store.get("packs/xy")


class StoreSuite(StoreContract):
    """The whole contract: writers of one moment do not spoil each other's work either."""

    def test_put_if_absent_lets_one_of_many_win(self, store: Store) -> None:
        def attempt(number: int) -> int | None:
            try:
                store.put("k", b"%d" % number, if_absent=True)
            except Conflict:
                return None
            return number

        store.put("warm", b"")
        with ThreadPoolExecutor(8) as pool:
            won = [number for number in pool.map(attempt, range(8)) if number is not None]
        assert len(won) == 1
        assert self.peek(store, "k") == b"%d" % won[0]

    def test_put_if_match_lets_one_of_many_win(self, store: Store) -> None:
        etag = store.put("k", b"before").etag

        def attempt(number: int) -> int | None:
            try:
                store.put("k", b"%06d" % number, if_match=etag)
            except Conflict:
                return None
            return number

        with ThreadPoolExecutor(8) as pool:
            won = [number for number in pool.map(attempt, range(8)) if number is not None]
        assert len(won) == 1
        assert self.peek(store, "k") == b"%06d" % won[0]

    def test_counting_by_if_match_loses_no_step(self, store: Store) -> None:
        store.put("k", b"0")

        def step(_: int) -> None:
            while True:
                etag = store.head("k").etag
                count = int(store.get("k"))
                try:
                    store.put("k", b"%d" % (count + 1), if_match=etag)
                except Conflict:
                    continue
                return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(step, range(12)))
        assert self.peek(store, "k") == b"12"

    def test_a_reader_sees_one_content_or_the_other(self, store: Store) -> None:
        contents = [bytes([number]) * 300_000 for number in range(4)]
        store.put("k", contents[0])
        with ThreadPoolExecutor(4) as pool:
            puts = [pool.submit(store.put, "k", content) for content in contents]
            reads = [pool.submit(store.get, "k") for _ in range(12)]
            seen = {read.result() for read in reads}
            for put in puts:
                put.result()
        assert seen <= set(contents)
