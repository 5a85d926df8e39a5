"""Stages 2 to 4: a disk is read once, cut, named, deduplicated, compressed and packed.

One coordinator thread reads, cuts and decides in disk order; workers hash and compress. What comes
out does not depend on their number: the same disk gives the same chunks, packs and runs.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from imgrepl.chunking.cutter import Cutter
from imgrepl.disks.disk import Disk
from imgrepl.engine.dedup import Decision, Deduplicator
from imgrepl.engine.options import EngineOptions
from imgrepl.engine.packer import ClosedPack, Packer
from imgrepl.engine.reading import CutWindow, cut_windows
from imgrepl.engine.runs import ManifestBuilder
from imgrepl.engine.stopping import check_stop
from imgrepl.layout.content import Buffer, chunk_id
from imgrepl.layout.frames import FrameEncoder
from imgrepl.layout.pack import FrameEntry
from imgrepl.model.domain import DedupDomain
from imgrepl.model.ids import ChunkId


class PackSink(Protocol):
    """Where closed packs go: to the source place, or nowhere in a dry run."""

    def submit(self, pack: ClosedPack) -> None:
        """Takes a pack; waits while too many are on their way."""

    def finished(self) -> list[ClosedPack]:
        """The packs that became durable since the last call."""

    def drain(self) -> None:
        """Waits for every pack. Raises what one failed with."""


@dataclass(slots=True)
class IngestCounts:
    """What went through, in bytes of plain content; grows while the ingest runs."""

    read_bytes: int = 0
    occupied_bytes: int = 0
    new_bytes: int = 0
    packs: int = 0

    @property
    def deduplicated_bytes(self) -> int:
        """Content that the source place had already, or that occurs twice."""
        return self.occupied_bytes - self.new_bytes


class _Named(NamedTuple):
    """A window whose chunks are being named."""

    window: CutWindow
    chunk_ids: Future[list[ChunkId]]


class _Decided(NamedTuple):
    """A window whose new chunks are being compressed."""

    window: CutWindow
    chunk_ids: list[ChunkId]
    decisions: list[Decision]
    frames: Future[list[tuple[FrameEntry, Buffer]]]


class _Effort:
    """Compresses harder while at most a third of what came so far is new.

    That is an update: its new bytes are few, and every later version keeps most of them.
    """

    def __init__(self, level: int, level_update: int) -> None:
        self._level, self._level_update = level, level_update
        self._chunks = self._new = 0

    def levels(self, decisions: list[Decision]) -> dict[int, int]:
        """The level for each new chunk, by its number among `decisions`."""
        levels: dict[int, int] = {}
        for number, decision in enumerate(decisions):
            self._chunks += 1
            if decision.new:
                self._new += 1
                is_update = 3 * self._new <= self._chunks
                levels[number] = self._level_update if is_update else self._level
        return levels


class Ingest:
    """Ingests the disks of one version into one place, one after the other, into shared packs."""

    def __init__(
        self,
        *,
        domain: DedupDomain,
        options: EngineOptions,
        deduplicator: Deduplicator,
        sink: PackSink,
        stop: threading.Event,
    ) -> None:
        self._domain = domain
        self._options = options
        self._dedup = deduplicator
        self._sink = sink
        self._stop = stop
        self._packer = Packer(domain, options.pack_bytes_target, self._hand_on)
        self._effort = _Effort(options.zstd_level, options.zstd_level_update)
        self.counts = IngestCounts()

    def disk(
        self, disk: Disk, pool: ThreadPoolExecutor, progress: Callable[[int], None]
    ) -> ManifestBuilder:
        """Reads all of `disk`; the builder's `finish` may be called after `flush`.

        `progress` is told the bytes read so far. Raises `Interrupted` between two windows when
        asked to stop, `Conflict` (`SourceChanged`) when a source moved while it was read, and what
        reader and sink raise.
        """
        builder = ManifestBuilder(disk.size_bytes)
        cutter = Cutter(self._domain.chunker)
        windows = cut_windows(disk, cutter, self._options.window_bytes, pool)
        read_bytes = 0
        for decided in self._decided(self._named(windows, pool), pool):
            self._pack(decided, builder)
            read_bytes += decided.window.read_bytes
            progress(read_bytes)
        for source in disk.sources:
            source.check_unchanged()
        return builder

    def flush(self) -> None:
        """Closes the last pack and waits until every pack is durable."""
        self._packer.close()
        self._sink.drain()
        self._note_finished()

    def _named(self, windows: Iterator[CutWindow], pool: ThreadPoolExecutor) -> Iterator[_Named]:
        """Windows in order, half of those in flight being hashed ahead."""
        ahead: deque[_Named] = deque()
        for window in windows:
            check_stop(self._stop)
            ahead.append(_Named(window, pool.submit(_name, self._domain.chunk_key, window)))
            if len(ahead) > self._options.windows_in_flight // 2:
                yield ahead.popleft()
        yield from ahead

    def _decided(self, windows: Iterator[_Named], pool: ThreadPoolExecutor) -> Iterator[_Decided]:
        """Windows in order, the other half being compressed ahead."""
        ahead: deque[_Decided] = deque()
        for named in windows:
            chunk_ids = named.chunk_ids.result()
            self._note_finished()
            decisions = self._dedup.decide(chunk_ids)
            new = self._effort.levels(decisions)
            frames = pool.submit(_compress, named.window, new, chunk_ids)
            ahead.append(_Decided(named.window, chunk_ids, decisions, frames))
            if len(ahead) > self._options.windows_in_flight // 2:
                yield ahead.popleft()
        yield from ahead

    def _pack(self, decided: _Decided, builder: ManifestBuilder) -> None:
        frames = iter(decided.frames.result())
        window = decided.window
        for (start, end), chunk, decision in zip(
            window.chunks, decided.chunk_ids, decided.decisions, strict=True
        ):
            if decision.new:
                entry, frame = next(frames)
                self._packer.add(entry, frame, decision.ref)
                self.counts.new_bytes += end - start
            builder.add(window.disk_offset + start, end - start, chunk, decision.ref)
        self.counts.read_bytes += window.read_bytes
        self.counts.occupied_bytes += window.occupied_bytes

    def _hand_on(self, pack: ClosedPack) -> None:
        self.counts.packs += 1
        self._sink.submit(pack)

    def _note_finished(self) -> None:
        for pack in self._sink.finished():
            self._dedup.stored(pack.handle, pack.chunk_ids)


def _name(chunk_key: bytes, window: CutWindow) -> list[ChunkId]:
    data = window.data
    return [chunk_id(chunk_key, data[start:end]) for start, end in window.chunks]


def _compress(
    window: CutWindow, levels: dict[int, int], chunk_ids: list[ChunkId]
) -> list[tuple[FrameEntry, Buffer]]:
    """Frames of the chunks that have a level; a raw one is a view of its window, until packed."""
    frames: list[tuple[FrameEntry, Buffer]] = []
    encoder = FrameEncoder()
    for number, level in levels.items():
        start, end = window.chunks[number]
        codec, frame = encoder.encode(window.data[start:end], level=level)
        frames.append((FrameEntry(chunk_ids[number], len(frame), end - start, codec), frame))
    return frames
