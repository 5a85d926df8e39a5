"""Cuts a disk into chunks at block boundaries that follow from the content alone.

A zero block ends a chunk and is dropped. A chunk ends after a block whose seeded XXH3-64 is below
the threshold, once it has the minimum length, and at the maximum. The rule is part of the format:
`docs/format.md` states it with test vectors.
"""

from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from imgrepl.chunking.zeros import occupied_runs
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.manifest import BLOCK_BYTES


class Cuts(NamedTuple):
    """What is decided about a window.

    `chunks` are byte positions `(start, end)` in the window, in order. The first `consumed` bytes
    are done; what follows them, less than the longest chunk, begins a chunk whose end the window
    does not show. `occupied_bytes` counts the non-zero blocks of what was consumed.
    """

    chunks: list[tuple[int, int]]
    consumed: int
    occupied_bytes: int


class Cutter:
    """Cuts windows of one disk, or of many: it keeps no state and serves any number of threads.

    `bytes_max` is the length of the longest chunk.
    """

    def __init__(self, parameters: ChunkerParameters) -> None:
        self._seed = parameters.seed
        self._threshold = parameters.threshold
        self._skipped_bytes = (parameters.blocks_min - 1) * BLOCK_BYTES
        self.bytes_max = parameters.bytes_max

    def cut(self, window: memoryview, *, final: bool) -> Cuts:
        """The chunks of `window`, which is whole blocks and begins where a chunk may begin.

        With `final`, nothing that belongs to the window's last chunk follows it: the disk, its
        segment of 64 MiB or its data ends there, and all is consumed. Without it, the caller puts
        the bytes that were not consumed before the next adjacent window. The same disk is cut
        alike by any windows that keep to this.
        """
        chunks: list[tuple[int, int]] = []
        for start, end in occupied_runs(window):
            if end == len(window) and not final:
                undecided = self._cut_open_run(window, start, end, chunks)
                return Cuts(chunks, undecided, _total(chunks))
            self._cut_run(window, start, end, chunks)
        return Cuts(chunks, len(window), _total(chunks))

    def _cut_run(
        self, window: memoryview, start: int, end: int, chunks: list[tuple[int, int]]
    ) -> None:
        """Cuts a run of non-zero blocks that ends at `end`."""
        while start < end:
            stop = min(start + self.bytes_max, end)
            # the last block of what may be taken ends the chunk anyway: it is not hashed
            cut = self._first_cut(window, start, stop - BLOCK_BYTES) or stop
            chunks.append((start, cut))
            start = cut

    def _cut_open_run(
        self, window: memoryview, start: int, end: int, chunks: list[tuple[int, int]]
    ) -> int:
        """Cuts a run that may go on behind the window; gives where the undecided rest begins."""
        while start < end:
            if end - start < self.bytes_max:
                cut = self._first_cut(window, start, end)
            else:
                stop = start + self.bytes_max
                cut = self._first_cut(window, start, stop - BLOCK_BYTES) or stop
            if cut is None:
                return start
            chunks.append((start, cut))
            start = cut
        return end

    def _first_cut(self, window: memoryview, start: int, stop: int) -> int | None:
        """Where the first hash below the threshold ends the chunk from `start`, looking to `stop`.

        Blocks before the minimum are not hashed.
        """
        threshold, seed = self._threshold, self._seed
        for at in range(start + self._skipped_bytes, stop, BLOCK_BYTES):
            block_end = at + BLOCK_BYTES
            if xxh3_64_intdigest(window[at:block_end], seed) < threshold:
                return block_end
        return None


def _total(chunks: list[tuple[int, int]]) -> int:
    return sum(end - start for start, end in chunks)
