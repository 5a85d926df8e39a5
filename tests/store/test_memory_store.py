"""The store in memory keeps the contract."""

import pytest

from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Store
from imgrepl.testing.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore("one")

    @pytest.fixture
    def neighbour(self) -> Store:
        return MemoryStore("two")

    def peek(self, store: Store, key: str) -> bytes:
        assert isinstance(store, MemoryStore)
        return store._objects[key].content

    def plant(self, store: Store, key: str, content: bytes) -> None:
        MemoryStore.put(store, key, content)  # type: ignore[arg-type]


def test_stores_of_different_servers_do_not_copy() -> None:
    assert not MemoryStore("a", server="x").can_copy_from(MemoryStore("a", server="y"))


def test_damage_changes_the_bytes_but_not_what_the_store_states() -> None:
    store = MemoryStore()
    before = store.put("k", b"sound")
    store.damage("k", b"rotten")
    assert store.get("k") == b"rotten"
    assert store.head("k").sha256 == before.sha256
