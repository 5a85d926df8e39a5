"""The runs of the dedup cache that are open: found, made of journals, merged, and let go."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imgrepl.engine.dedup_folder import JOURNAL, RUN, UNFINISHED, CacheFolder, OpenFile
from imgrepl.engine.dedup_journal import Journal, JournalContent, read_journal
from imgrepl.engine.dedup_merge import Source, source_of_journal, sources_of_runs, write_run
from imgrepl.engine.dedup_run import Resident, Run
from imgrepl.errors import Corrupt

_MERGED_AT_LEAST = 4
_MERGED_ENTRIES_MIN = 4096
"""A run counts as that large when it is decided what to merge, however small it is."""


class RunSet:
    """Open runs, newest first. Of `memory_bytes`, 5/8 are for what is resident, 1/4 to merge.

    A run that turns out corrupt is dropped and deleted, and the packs it held are no longer known.
    Not thread-safe.
    """

    def __init__(self, folder: CacheFolder, memory_bytes: int) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._runs: list[Run] = []
        self._copied_journals: set[Path] = set()
        self._forgotten: set[bytes] = set()

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._runs))

    def open_files(self) -> None:
        """Opens what is in the folder and not open yet, and lets go of what is there no more.

        Journals that lost their writer become a run; those that are being written are copied as
        they are, once. To be called while this process has no journal of its own.
        """
        self._close_vanished()
        known = {run.path for run in self._runs if run.path is not None} | self._copied_journals
        opened = self._folder.open_all(known)
        for found in opened:
            if found.file.kind == RUN:
                self._open_run(found)
        journals = [found for found in opened if found.file.kind == JOURNAL]
        self._adopt([journal for journal in journals if journal.locked])
        for journal in journals:
            if not journal.locked:
                self._copy(journal)
        self._settle()

    def take_journal(self, journal: Journal) -> None:
        """Makes a run of this process's own journal, which is closed."""
        content = journal.content()
        self._publish(
            [source_of_journal(content, frozenset())],
            content.forgotten,
            journal.file.sequence,
            [journal.file.path],
        )
        journal.close()
        self._settle()

    def set_forgotten(self, pack_ids: set[bytes]) -> None:
        """What this process's journal forgot; newer than every run."""
        self._forgotten = pack_ids
        self._mark_forgotten()

    def merge_when_due(self) -> None:
        """Merges the newest runs when there are four or more of like size, unless others do."""
        if len(self._due()) < _MERGED_AT_LEAST:
            return
        with self._folder.merging() as is_ours:
            if is_ours:
                self._merge()

    def drop(self, run: Run) -> None:
        """Lets a corrupt run go, here and in the folder."""
        self._runs.remove(run)
        run.close()
        if run.path is not None:
            run.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes every file."""
        for run in self._runs:
            run.close()
        self._runs = []

    def _close_vanished(self) -> None:
        present = self._folder.paths()
        for run in self:
            if run.path is not None and run.path not in present:
                self._runs.remove(run)
                run.close()

    def _open_run(self, found: OpenFile) -> None:
        try:
            self._runs.append(Run(found.descriptor, found.file.path, found.file.sequence))
        except Corrupt:
            os.close(found.descriptor)
            found.file.path.unlink(missing_ok=True)

    def _adopt(self, journals: Sequence[OpenFile]) -> None:
        if not journals:
            return
        contents = [read_journal(journal.descriptor) for journal in reversed(journals)]
        self._publish(
            list(_sources_of_journals(contents)),
            frozenset().union(*[content.forgotten for content in contents]),
            journals[-1].file.sequence,
            [journal.file.path for journal in journals],
        )
        for journal in journals:
            os.close(journal.descriptor)

    def _copy(self, journal: OpenFile) -> None:
        """A nameless run of a journal that another process goes on writing."""
        content = read_journal(journal.descriptor)
        os.close(journal.descriptor)
        unfinished = self._folder.create(UNFINISHED)
        unfinished.file.path.unlink()
        write_run(
            unfinished.descriptor, [source_of_journal(content, frozenset())], content.forgotten
        )
        self._runs.append(Run(unfinished.descriptor, None, journal.file.sequence))
        self._copied_journals.add(journal.file.path)

    def _due(self) -> list[Run]:
        """The newest runs up to the first that is more than twice as large as they are together."""
        due: list[Run] = []
        total = 0
        for run in self._runs:
            if run.path is None:
                continue
            entries = max(run.shape.entries, _MERGED_ENTRIES_MIN)
            if due and entries > 2 * total:
                break
            due.append(run)
            total += entries
        return due

    def _merge(self) -> None:
        self.open_files()  # what is due is what is there now that nobody else merges
        due = self._due()
        if len(due) < _MERGED_AT_LEAST:
            return
        older_remain = len(due) < sum(run.path is not None for run in self._runs)
        forgets = frozenset().union(*[run.forgets for run in due]) if older_remain else frozenset()
        paths = [run.path for run in due if run.path is not None]
        for run in due:
            run.keep(Resident.NOTHING)  # nobody looks anything up meanwhile, and the room is needed
        sources = sources_of_runs(due, self._memory_bytes // 4)
        try:
            self._publish(sources, forgets, due[0].sequence, paths)
        except Corrupt:
            self._drop_damaged(due)
        else:
            for run in due:
                self._runs.remove(run)
                run.close()
        self._settle()

    def _publish(
        self,
        sources: Sequence[Source],
        forgets: frozenset[bytes],
        sequence: int,
        replaces: Iterable[Path],
    ) -> None:
        """Writes a run and puts it in the place of what it was made of."""
        unfinished = self._folder.create(UNFINISHED)
        try:
            write_run(unfinished.descriptor, sources, forgets)
            run = Run(unfinished.descriptor, unfinished.file.path, sequence)
            run.path = self._folder.publish(unfinished.file, sequence, replaces).path
        except BaseException:
            os.close(unfinished.descriptor)
            unfinished.file.path.unlink(missing_ok=True)
            raise
        self._runs.append(run)

    def _drop_damaged(self, runs: Iterable[Run]) -> None:
        for run in runs:
            try:
                for _ in run.batches(pages_at_once=64):
                    pass
            except Corrupt:
                self.drop(run)

    def _settle(self) -> None:
        """After any change: the order, what is forgotten, and what is kept in memory."""
        self._runs.sort(key=lambda run: run.sequence, reverse=True)
        self._mark_forgotten()
        for run, resident in self._shares().items():
            try:
                run.keep(resident)
            except Corrupt:
                self.drop(run)

    def _shares(self) -> dict[Run, Resident]:
        """Who may keep what: filters for as many as can be, then all of the smallest."""
        smallest_first = sorted(self._runs, key=lambda run: run.shape.entries)
        shares = dict.fromkeys(smallest_first, Resident.NOTHING)
        left = self._memory_bytes * 5 // 8
        left -= sum(run.resident_bytes(Resident.NOTHING) for run in shares)
        for step in (Resident.FILTER, Resident.ALL):
            for run, before in shares.items():
                cost = run.resident_bytes(step) - run.resident_bytes(before)
                if cost > left:
                    break
                shares[run] = step
                left -= cost
        return shares

    def _mark_forgotten(self) -> None:
        """Each run is without what newer ones, and this process's journal, forgot."""
        forgotten = set(self._forgotten)
        for run in self._runs:
            run.set_forgotten(forgotten)
            forgotten |= run.forgets


def _sources_of_journals(contents: Iterable[JournalContent]) -> Iterator[Source]:
    """Journals, newest first, each without what newer ones forgot."""
    forgotten: set[bytes] = set()
    for content in contents:
        yield source_of_journal(content, frozenset(forgotten))
        forgotten |= content.forgotten
