"""An object in a bucket as the source of an image."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgrepl.engine import object_source
from imgrepl.engine.object_source import ObjectSource
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.store.memory import MemoryStore
from imgrepl.testing.faulty import FaultyStore

KEY = "images/debian.vhd"
CONTENT = random.Random(5).randbytes(100_000)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_source, "_BLOCK_BYTES", 4096)


def stored(content: bytes = CONTENT) -> FaultyStore:
    store = FaultyStore(MemoryStore())
    store.put(KEY, content)
    return store


def read(source: ObjectSource, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 20_000)), max_size=20))
def test_any_range_is_read_as_it_is(ranges: list[tuple[int, int]]) -> None:
    source = ObjectSource(stored(), KEY, "s3://bucket/key")
    for offset, length in ranges:
        wanted = CONTENT[offset : offset + length]
        assert read(source, offset, len(wanted)) == wanted


def test_a_read_behind_the_end_is_refused_before_anything_is_asked() -> None:
    store = stored()
    source = ObjectSource(store, KEY, "s3://bucket/key")
    before = len(store.requests)
    with pytest.raises(Invalid) as caught:
        read(source, len(CONTENT) - 10, 11)
    assert caught.value.code == "ImageTruncated"
    assert "s3://bucket/key" in caught.value.message
    assert len(store.requests) == before


def test_what_was_read_last_is_not_asked_for_again() -> None:
    store = stored()
    source = ObjectSource(store, KEY, "name")
    for _ in range(3):
        for offset in range(0, 4 * 4096, 512):
            read(source, offset, 512)
    assert len([verb for verb, _ in store.requests if verb == "get"]) == 4


def test_no_more_than_four_blocks_are_kept() -> None:
    source = ObjectSource(stored(), KEY, "name")
    for start in range(0, len(CONTENT), 1024):
        read(source, start, min(1024, len(CONTENT) - start))
    assert len(source._blocks) == 4


def test_whole_blocks_are_not_kept() -> None:
    """A disk that is read from its beginning to its end asks for each once."""
    source = ObjectSource(stored(), KEY, "name")
    whole = len(CONTENT) // 4096 * 4096
    assert read(source, 0, whole) == CONTENT[:whole]
    assert not source._blocks
    source.close()
    assert not source._blocks


def test_a_missing_object_is_not_found() -> None:
    with pytest.raises(NotFound) as caught:
        ObjectSource(MemoryStore(), KEY, "s3://bucket/key")
    assert (caught.value.code, caught.value.target) == ("SourceNotFound", "s3://bucket/key")
    assert "AWS_ENDPOINT_URL" in str(caught.value.hint)


@pytest.mark.parametrize("now", [CONTENT[:-1] + b"?", CONTENT[:-1], CONTENT + b"?"])
def test_an_object_that_was_replaced_is_refused(now: bytes) -> None:
    store = stored()
    source = ObjectSource(store, KEY, "s3://bucket/key")
    source.check_unchanged()
    store.put(KEY, now)
    with pytest.raises(Conflict) as caught:
        source.check_unchanged()
    assert caught.value.code == "SourceChanged"
    assert caught.value.hint


def test_an_object_that_went_away_while_it_was_read_has_changed() -> None:
    store = stored()
    source = ObjectSource(store, KEY, "name")
    store.delete([KEY])
    for act in (source.check_unchanged, lambda: read(source, 0, 10)):
        with pytest.raises(Conflict) as caught:
            act()
        assert caught.value.code == "SourceChanged"


def test_an_object_that_shrank_while_it_was_read_has_changed_and_is_not_called_corrupt() -> None:
    store = stored()
    source = ObjectSource(store, KEY, "name")
    store.put(KEY, CONTENT[:5000])
    with pytest.raises(Conflict) as caught:
        read(source, 20_000, 10)
    assert caught.value.code == "SourceChanged"
