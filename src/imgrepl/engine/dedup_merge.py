"""Writes runs: from journals, or from older runs, in one pass and with bounded memory."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64, xxh3_64_digest, xxh3_64_intdigest

from imgrepl.engine.dedup_entries import ENTRY, Entries, entries_of, packs_of, with_packs
from imgrepl.engine.dedup_journal import JournalContent
from imgrepl.engine.dedup_run import (
    FILTER_ENTRIES_PER_WORD,
    MAGIC,
    PACK,
    PAGE,
    PAGE_BYTES,
    PAGE_ENTRIES,
    TRAILER,
    Run,
    RunShape,
    filter_bits,
    filter_positions,
)

_PAGES_AT_ONCE_MAX = 256
_COPIES = 6
"""Times that a batch is in memory while it is merged, at most."""


class Source(NamedTuple):
    """Something sorted to be merged: its pack table, which packs count, and its entries."""

    packs: npt.NDArray[np.void]
    counts: npt.NDArray[np.bool_]
    batches: Iterator[Entries]


def source_of_journal(content: JournalContent, forgotten: frozenset[bytes]) -> Source:
    """A journal, sorted, newest pack first, without the packs that newer journals forgot."""
    newest_first = reversed(content.added.items())
    added = [chunks for pack_id, chunks in newest_first if pack_id not in forgotten]
    packs = np.zeros(len(added), PACK)
    parts = [np.zeros(0, ENTRY)]
    for at, chunks in enumerate(added):
        packs[at] = (np.void(chunks.pack_id), len(chunks.stored_bytes))
        parts.append(entries_of(at, chunks))
    entries = np.concatenate(parts)
    entries = entries[np.argsort(entries["id"][:, 0], kind="stable")]
    return Source(packs, np.ones(len(packs), np.bool_), iter([entries]))


def sources_of_runs(runs: Sequence[Run], memory_bytes: int) -> list[Source]:
    """Runs, read in batches that together stay within `memory_bytes`."""
    budget = memory_bytes // (max(1, len(runs)) * PAGE_BYTES * _COPIES)
    pages_at_once = min(max(1, budget), _PAGES_AT_ONCE_MAX)
    return [Source(run.packs, run.alive, run.batches(pages_at_once)) for run in runs]


def write_run(descriptor: int, sources: Sequence[Source], forgets: frozenset[bytes]) -> None:
    """Writes the merger of `sources`, newest first, to an empty file.

    A pack that several of them have is taken from the newest.
    """
    packs, new_positions = _merged_packs(sources)
    writer = _RunWriter(descriptor, packs, forgets)
    renumbered = [
        _renumbered(source.batches, positions)
        for source, positions in zip(sources, new_positions, strict=True)
    ]
    for batch in _merged(renumbered):
        writer.write(batch)
    writer.finish()


def _merged_packs(
    sources: Sequence[Source],
) -> tuple[npt.NDArray[np.void], list[npt.NDArray[np.int64]]]:
    """One pack table, and for each source where its packs stand in that: -1 for those left out."""
    seen: set[bytes] = set()
    tables, new_positions, total = [np.zeros(0, PACK)], [], 0
    for source in sources:
        ids = [bytes(identity) for identity in source.packs["id"]]
        unseen = np.array([identity not in seen for identity in ids], np.bool_)
        taken = source.counts & unseen
        seen.update(identity for identity, take in zip(ids, taken, strict=True) if take)
        positions = np.full(len(ids), -1, np.int64)
        positions[taken] = np.arange(total, total + int(taken.sum()))
        total += int(taken.sum())
        tables.append(source.packs[taken])
        new_positions.append(positions)
    return np.concatenate(tables), new_positions


def _renumbered(batches: Iterator[Entries], positions: npt.NDArray[np.int64]) -> Iterator[Entries]:
    """The entries of packs that are kept, under their new positions; no empty batches."""
    for batch in batches:
        packs = positions[packs_of(batch["where"])] if len(batch) else np.zeros(0, np.int64)
        kept = batch[packs >= 0]  # a copy: boolean masks always copy
        if len(kept):
            kept["where"] = with_packs(kept["where"], packs[packs >= 0])
            yield kept


def _merged(sources: Sequence[Iterator[Entries]]) -> Iterator[Entries]:
    """The sorted union of sorted sources; where equal, earlier sources come first."""
    heads = [_Head(source) for source in sources]
    while heads := [head for head in heads if head.fill()]:
        bound = min(head.highest for head in heads)  # nothing that is still unread is below it
        union = np.concatenate([head.take_up_to(bound) for head in heads])
        yield union[np.argsort(union["id"][:, 0], kind="stable")]


class _Head:
    """The part of a source that is in memory."""

    def __init__(self, batches: Iterator[Entries]) -> None:
        self._batches = batches
        self._entries = np.zeros(0, ENTRY)

    def fill(self) -> bool:
        """Has entries at hand; False when the source is at its end."""
        if not len(self._entries):
            self._entries = next(self._batches, self._entries)
        return len(self._entries) > 0

    @property
    def highest(self) -> int:
        return int(self._entries["id"][-1, 0])

    def take_up_to(self, bound: int) -> Entries:
        cut = int(np.searchsorted(self._entries["id"][:, 0], np.uint64(bound), "right"))
        taken, self._entries = self._entries[:cut], self._entries[cut:]
        return taken


class _RunWriter:
    """Writes a run from sorted entries, whose number the pack table states."""

    def __init__(
        self, descriptor: int, packs: npt.NDArray[np.void], forgets: frozenset[bytes]
    ) -> None:
        entries = int(packs["entries"].sum())
        filter_words = entries // FILTER_ENTRIES_PER_WORD + 1
        self._shape = RunShape(entries, filter_words, len(packs), len(forgets))
        self._descriptor = descriptor
        self._tables = packs.tobytes() + b"".join(sorted(forgets))
        self._fences: list[bytes] = []
        self._pages = 0
        self._rest = np.zeros(0, ENTRY)
        self._filter = _FilterWriter(descriptor, self._shape)

    def write(self, entries: Entries) -> None:
        """Takes the next entries in order."""
        self._filter.write(entries)
        entries = np.concatenate((self._rest, entries))
        whole = len(entries) // PAGE_ENTRIES * PAGE_ENTRIES
        self._write_pages(entries[:whole])
        self._rest = entries[whole:].copy()

    def finish(self) -> None:
        """Writes what follows the pages."""
        written = self._pages * PAGE_ENTRIES + len(self._rest)
        assert written == self._shape.entries, (written, self._shape.entries)
        if len(self._rest):
            padding = np.zeros(PAGE_ENTRIES - len(self._rest), ENTRY)
            self._write_pages(np.concatenate((self._rest, padding)))
        filter_digest = self._filter.finish()
        index = b"".join(self._fences) + self._tables
        trailer = TRAILER.pack(MAGIC, *self._shape, filter_digest, xxh3_64_digest(index), bytes(8))
        trailer = trailer[:-8] + xxh3_64_digest(trailer[:-8])
        _write_at(self._descriptor, index + trailer, self._shape.index_at)

    def _write_pages(self, entries: Entries) -> None:
        pages = np.zeros(len(entries) // PAGE_ENTRIES, PAGE)
        pages["entries"] = entries.reshape(-1, PAGE_ENTRIES)
        self._fences.append(pages["entries"]["id"][:, 0, 0].tobytes())
        view = memoryview(pages.view(np.uint8).data).cast("B")
        pages["checksum"] = [
            xxh3_64_intdigest(view[at + 8 : at + PAGE_BYTES], self._pages + at // PAGE_BYTES)
            for at in range(0, len(view), PAGE_BYTES)
        ]
        _write_at(self._descriptor, view, self._pages * PAGE_BYTES)
        self._pages += len(pages)


class _FilterWriter:
    """Writes a run's filter front to back: entries come in the order of its words."""

    def __init__(self, descriptor: int, shape: RunShape) -> None:
        self._descriptor, self._shape = descriptor, shape
        self._words_written = 0
        self._open_word = np.uint64(0)
        self._checksum = xxh3_64()

    def write(self, entries: Entries) -> None:
        positions = filter_positions(entries["id"][:, 0], self._shape.filter_words)
        starts = np.flatnonzero(np.diff(positions, prepend=-1))
        words = np.zeros(int(positions[-1]) - self._words_written + 1, np.uint64)
        bits = np.bitwise_or.reduceat(filter_bits(entries["id"]), starts)
        words[positions[starts] - self._words_written] = bits
        words[0] |= self._open_word
        self._append(words[:-1])
        self._open_word = words[-1]

    def finish(self) -> bytes:
        """Gives the filter's checksum."""
        words = np.zeros(self._shape.filter_words - self._words_written, np.uint64)
        words[0] = self._open_word
        self._append(words)
        return self._checksum.digest()

    def _append(self, words: npt.NDArray[np.uint64]) -> None:
        data = words.tobytes()
        self._checksum.update(data)
        _write_at(self._descriptor, data, self._shape.filter_at + 8 * self._words_written)
        self._words_written += len(words)


def _write_at(descriptor: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
