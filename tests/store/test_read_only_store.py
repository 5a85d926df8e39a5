"""What was opened for reading cannot be written to, by whatever verb."""

from collections.abc import Callable

import pytest

from imgrepl.errors import NotAllowed
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Store
from imgrepl.store.read_only import ReadOnlyStore

KEY = "packs/aa"


@pytest.fixture
def inner() -> MemoryStore:
    store = MemoryStore("s3://bucket", server="one")
    store.put(KEY, b"content")
    return store


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.put(KEY, b"other"),
        lambda store: store.put("packs/bb", b"other", if_absent=True),
        lambda store: store.delete([KEY]),
        lambda store: store.copy_from(MemoryStore("s3://x", server="one"), KEY, "packs/cc"),
    ],
)
def test_every_change_is_refused(inner: MemoryStore, change: Callable[[Store], object]) -> None:
    with pytest.raises(NotAllowed) as refused:
        change(ReadOnlyStore(inner))
    assert refused.value.code == "ReadOnlyStore"
    assert [info.key for info in inner.list("")] == [KEY]
    assert inner.get(KEY) == b"content"


def test_it_is_read_like_what_is_inside(inner: MemoryStore) -> None:
    store = ReadOnlyStore(inner)
    assert store.get(KEY, offset=3) == b"tent"
    assert store.head(KEY) == inner.head(KEY)
    assert [info.key for info in store.list("packs/")] == [KEY]
    assert not store.can_copy_from(inner)


def test_another_store_on_the_server_may_copy_from_it(inner: MemoryStore) -> None:
    target = MemoryStore("s3://target", server="one")
    target.copy_from(ReadOnlyStore(inner), KEY, KEY)
    assert target.get(KEY) == b"content"
