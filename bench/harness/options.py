"""Options that several benchmarks take, and the folders they work in."""

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.servers import KINDS

_MEMORY = Path("/dev/shm")


def parser_of(doc: str) -> argparse.ArgumentParser:
    """A parser whose help is the module's own text."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures here")
    return parser


def add_rounds(parser: argparse.ArgumentParser, default: int = 5) -> None:
    parser.add_argument(
        "--rounds", type=int, default=default, help=f"runs of each program; default {default}"
    )


def add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder with v1.raw, v2.raw, v3.raw, v2r.raw and v3r.raw, as `make images "
        "IMAGES=debian` makes them; without it the rows that need them are left out",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--servers", nargs="+", choices=KINDS, default=list(KINDS), help="default: both"
    )
    parser.add_argument(
        "--memory",
        type=Path,
        default=_MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir()),
        metavar="DIR",
        help="a file system in memory, for servers and downloads; default /dev/shm",
    )
    parser.add_argument(
        "--disk",
        type=Path,
        default=Path(tempfile.gettempdir()),
        metavar="DIR",
        help="a disk, for indexes, caches and local repositories; default the temporary folder",
    )


@contextlib.contextmanager
def folders(asked: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """New folders on the disk and in memory; gone when the block ends."""
    with (
        tempfile.TemporaryDirectory(dir=asked.disk, prefix="imgrepl-bench-") as disk,
        tempfile.TemporaryDirectory(dir=asked.memory, prefix="imgrepl-bench-") as memory,
    ):
        yield Path(disk), Path(memory)


def free_bytes(folder: Path) -> int:
    """Room in a folder's file system; in memory, no more than the machine has free."""
    free = shutil.disk_usage(folder).free
    if os.path.commonpath([_MEMORY, folder.resolve()]) != str(_MEMORY):
        return free
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return min(free, int(fields["MemAvailable"].split()[0]) << 10)
