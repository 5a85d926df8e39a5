"""A world whose process dies at a chosen step: a request to any store, or an index transaction.

Steps are counted over all threads. From the fatal one on nothing gets through, neither to a store
nor to the index, as when the process was killed; `world.restart()` is the next process.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from engine.world import Buckets, World, open_world
from imgrepl.engine.options import EngineOptions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.region import Endpoint
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.faulty import Crashed

MakeStore = Callable[[Endpoint], Store]


@dataclass
class Fate:
    """Counts steps; the process dies before step `dies_at` (from 1 on), or never with 0."""

    dies_at: int = 0
    steps: list[str] = field(default_factory=list)
    sent: list[tuple[str, str, int]] = field(default_factory=list)
    """Packs whose bytes left the process: place, key, bytes."""
    _dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, what: str) -> None:
        """One more step; raises `Crashed` where the process is dead or dies now."""
        with self._lock:
            if self._dead:
                raise Crashed(f"{what} after the crash")
            self.steps.append(what)
            if len(self.steps) == self.dies_at:
                self._dead = True
                raise Crashed(f"step {self.dies_at}: {what}")

    def look(self, what: str) -> None:
        """Something that changes nothing, and that a dead process does not do either."""
        with self._lock:
            if self._dead:
                raise Crashed(f"{what} after the crash")

    def revive(self) -> None:
        """The next process, which lives."""
        self._dead, self.dies_at, self.steps = False, 0, []


class FatefulStore(StoreWrapper):
    """Every write is a step; reads and looks are, too: they are where a real process waits."""

    def __init__(self, inner: Store, fate: Fate) -> None:
        super().__init__(inner)
        self._fate = fate

    def head(self, key: str) -> ObjectInfo:
        self._fate.look(f"head {key}")
        return self.inner.head(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._fate.look(f"get {key}")
        return self.inner.get(key, offset=offset, length=length)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self._fate.look(f"list {prefix}")
        return self.inner.list(prefix, start_after=start_after)

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        self._fate.step(f"put {self.url}/{key}")
        if key.startswith("packs/"):
            self._fate.sent.append((self.url, key, len(body)))
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        self._fate.step(f"delete {' '.join(keys)}")
        return self.inner.delete(keys)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        self._fate.step(f"copy {self.url}/{key}")
        return self.inner.copy_from(source, source_key, key)


def memory_place(at: Endpoint) -> Store:
    """What places are made of unless a test wants something else."""
    return MemoryStore(at.url, server=at.server)


@contextmanager
def mortal_world(
    folder: Path,
    fate: Fate,
    *,
    make: MakeStore = memory_place,
    region_names: Sequence[str],
    options: EngineOptions,
) -> Iterator[World]:
    """A world that `fate` rules."""
    buckets = Buckets(lambda at: FatefulStore(make(at), fate))
    with open_world(folder, buckets=buckets, region_names=region_names, options=options) as world:
        _rule(world.index, fate)
        yield world


def _rule(index: GalleryIndex, fate: Fate) -> None:
    """Every write transaction of `index` is a step, and dies before it commits."""
    begin, read = index.begin, index.read

    @contextmanager
    def mortal_begin() -> Iterator[Connection]:
        with begin() as tx:
            yield tx
            fate.step("commit")

    @contextmanager
    def mortal_read() -> Iterator[Connection]:
        fate.look("read")
        with read() as tx:
            yield tx

    replaced: Any = index
    replaced.begin, replaced.read = mortal_begin, mortal_read
