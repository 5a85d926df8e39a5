"""How fast a disk is cut, and what chunks of each size find again.

Speeds are of one thread on content in memory: the cutter, the naming of chunks (BLAKE3) and their
compression (zstd 3) as an ingest does them. The table says what the third version of a system adds
to a store that has the two before, changed in place (v1, v2, v3) and built anew each time (v1, v2r,
v3r), in plain bytes and compressed, and how many chunks that is.

    python bench/chunking.py --images .cache/images/debian
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.images import raw_images, write_random
from harness.options import add_images, parser_of
from harness.tables import Report, megabytes, publish, table
from imgrepl.chunking.cutter import Cutter
from imgrepl.disks.raw import RawDisk
from imgrepl.disks.source import open_source
from imgrepl.engine.reading import cut_windows
from imgrepl.layout.content import chunk_id
from imgrepl.layout.frames import encode_frame
from imgrepl.model.chunker import AVERAGE_BYTES_PROFILES, ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN

WINDOW_BYTES = 4 << 20
SPEED_BYTES = 512 << 20
_KEY = DEFAULT_DOMAIN.chunk_key
_LINES = {"in place": ("v1", "v2", "v3"), "rebuilt": ("v1", "v2r", "v3r")}
_FIXED_BYTES = (64 << 10, 4 << 20)

Chunks = Callable[[Path], Iterator[memoryview]]


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    asked = _parser().parse_args(arguments)
    report = Report(title="Chunking")
    images = raw_images(asked.images, sorted({name for line in _LINES.values() for name in line}))
    if images is None:
        report.notes.append("**No images: the table of what chunks find again is left out.**")
        with tempfile.TemporaryDirectory(prefix="imgrepl-bench-") as folder:
            random = Path(folder) / "random"
            write_random(random, SPEED_BYTES)
            _speeds(report, "random bytes", random)
    else:
        _speeds(report, "v3", images["v3"])
        _found_again(report, images)
    publish(report, asked.json)
    return 0


def content_defined(average_bytes: int) -> Chunks:
    """Ours, with chunks of this average."""
    cutter = Cutter(ChunkerParameters(average_bytes=average_bytes))

    def chunks(path: Path) -> Iterator[memoryview]:
        disk = RawDisk(open_source(path))
        with ThreadPoolExecutor(1) as pool:
            for window in cut_windows(disk, cutter, WINDOW_BYTES, pool):
                for start, end in window.chunks:
                    yield window.data[start:end]
        disk.close()

    return chunks


def fixed(length_bytes: int) -> Chunks:
    """Pieces of one length, all-zero ones dropped: what block-oriented stores do."""

    def chunks(path: Path) -> Iterator[memoryview]:
        zeros = bytes(length_bytes)
        source = open_source(path)
        seen = -1
        for extent in source.data_extents(0, source.size_bytes):
            last = (extent.offset + extent.length - 1) // length_bytes
            for piece in range(max(seen + 1, extent.offset // length_bytes), last + 1):
                seen = piece
                start = piece * length_bytes
                data = bytearray(min(length_bytes, source.size_bytes - start))
                source.read_into(start, memoryview(data))
                if data != zeros[: len(data)]:
                    yield memoryview(data)
        source.close()

    return chunks


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a disk adds to a store."""

    plain_bytes: int
    stored_bytes: int
    chunks: int


def added(chunks: Iterable[memoryview], known: set[bytes]) -> Added:
    """What of `chunks` is not `known`; it is known afterwards."""
    plain = stored = count = 0
    for chunk in chunks:
        name = chunk_id(_KEY, chunk)
        if name not in known:
            known.add(name)
            plain, count = plain + len(chunk), count + 1
            stored += len(encode_frame(chunk, level=3)[1])
    return Added(plain_bytes=plain, stored_bytes=stored, chunks=count)


def _found_again(report: Report, images: dict[str, Path]) -> None:
    chunkers: dict[str, Chunks] = {
        **{f"fixed {size >> 10:,} KiB": fixed(size) for size in _FIXED_BYTES},
        **{
            f"4 KiB-aligned, average {size >> 10} KiB": content_defined(size)
            for size in AVERAGE_BYTES_PROFILES
        },
    }
    rows = []
    for name, chunks in chunkers.items():
        cells = [name]
        for line, generations in _LINES.items():
            third = _third(chunks, [images[image] for image in generations])
            cells += [
                megabytes(third.plain_bytes),
                megabytes(third.stored_bytes),
                f"{third.chunks:,}",
            ]
            report.data[f"{name}, {line}"] = vars(third)
        rows.append(cells)
    head = ["chunks"]
    for line in _LINES:
        head += [f"{line}: plain MB", "stored MB", "chunks"]
    report.tables.append(table(head, rows))


def _third(chunks: Chunks, generations: Sequence[Path]) -> Added:
    known: set[bytes] = set()
    *_, last = [added(chunks(path), known) for path in generations]
    return last


def _speeds(report: Report, content: str, path: Path) -> None:
    windows = list(_windows(path))
    total = sum(len(window) for window in windows)
    cutter = Cutter(ChunkerParameters())
    cuts = [cutter.cut(window, final=True).chunks for window in windows]
    pieces = [
        window[start:end]
        for window, chunks in zip(windows, cuts, strict=True)
        for start, end in chunks
    ]
    works: dict[str, Callable[[], object]] = {
        "cut": lambda: [cutter.cut(window, final=True) for window in windows],
        "name (BLAKE3)": lambda: [chunk_id(_KEY, piece) for piece in pieces],
        "compress (zstd 3)": lambda: [encode_frame(piece, level=3) for piece in pieces],
    }
    rows = []
    for name, work in works.items():
        started = time.perf_counter()
        work()
        speed = total / 1e6 / (time.perf_counter() - started)
        rows.append([name, f"{speed:,.0f}"])
        report.data[name] = speed
    report.notes.append(f"One thread, {megabytes(total)} MB of {content}.")
    report.tables.append(table(["stage", "MB/s"], rows))


def _windows(path: Path) -> Iterator[memoryview]:
    """Whole windows of the disk that hold data, up to 512 MiB of them."""
    source = open_source(path)
    disk, found = RawDisk(source), 0
    for extent in disk.data_extents(0, disk.size_bytes):
        position = extent.offset
        while position + WINDOW_BYTES <= extent.offset + extent.length and found < SPEED_BYTES:
            window = memoryview(bytearray(WINDOW_BYTES))
            disk.read_into(position, window)
            yield window
            position, found = position + WINDOW_BYTES, found + WINDOW_BYTES
    disk.close()


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__ or "")
    add_images(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
