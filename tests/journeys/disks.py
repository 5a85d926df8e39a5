"""The disks that end-to-end tests publish: small ones made on the spot, and real Debian systems."""

import fcntl
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1 << 20
PROJECT = Path(__file__).resolve().parents[2]
DEBIAN_BYTES = "4G"


def make_disk(path: Path, *, size: int = 64 * MIB, seed: int = 1, data: int = 24 * MIB) -> Path:
    """A sparse raw disk: runs of random, compressible and repeated bytes with holes between."""
    dice = random.Random(seed)
    with path.open("wb") as disk:
        disk.truncate(size)
        written = 0
        while written < data:
            length = min(dice.randrange(4096, 2 * MIB, 4096), data - written)
            disk.seek(dice.randrange(0, size - length, 4096))
            kind = dice.random()
            if kind < 0.6:
                disk.write(dice.randbytes(length))
            else:
                line = b"%016x some text of a guest\n" % dice.getrandbits(64)
                disk.write((line * (length // len(line) + 1))[:length])
            written += length
    return path


def change_disk(path: Path, out: Path, *, seed: int, changes: int = 12) -> Path:
    """A copy with some blocks rewritten."""
    dice = random.Random(seed)
    subprocess.run(["cp", "--sparse=always", path, out], check=True)
    with out.open("r+b") as disk:
        size = out.stat().st_size
        for _ in range(changes):
            disk.seek(dice.randrange(0, size - 65536, 4096))
            disk.write(dice.randbytes(16384))
    return out


def same_content(one: Path, two: Path) -> bool:
    """Whether two raw disks are equal, byte by byte."""
    return subprocess.run(["cmp", "-s", one, two]).returncode == 0


@dataclass(frozen=True)
class DebianImages:
    """Three generations of one system: patched in place (v2, v3) and rebuilt (v2r, v3r)."""

    folder: Path

    def raw(self, name: str) -> Path:
        return self.folder / f"{name}.raw"


def debian_images() -> DebianImages:
    """The images, made on first use and kept; skips with what is missing where they cannot be."""
    given = os.environ.get("IMGREPL_TEST_IMAGES")
    if given:
        return DebianImages(Path(given))
    folder = PROJECT / ".cache" / "images" / "debian"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent / "debian.lock"):
        if not folder.exists():
            _make_debian(folder)
    return DebianImages(folder)


def _make_debian(folder: Path) -> None:
    """Makes the images beside `folder`, which appears when all of them are there."""
    unfinished = folder.with_name("debian.unfinished")
    maker = PROJECT / "tests" / "images" / "make.py"
    words = ["--mode", "debian", "--size", DEBIAN_BYTES, str(unfinished)]
    made = subprocess.run([sys.executable, str(maker), *words], capture_output=True, text=True)
    if made.returncode == 3:
        pytest.skip(f"no Debian images: {made.stderr.strip().splitlines()[-1].strip()}")
    assert made.returncode == 0, made.stderr
    unfinished.rename(folder)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
