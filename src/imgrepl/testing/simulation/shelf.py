"""Disks to publish: a few megabytes each, alike enough to share chunks, and always the same."""

import hashlib
from pathlib import Path

MEBIBYTE = 1 << 20
BLOCK_BYTES = 4096


def _noise(name: str, length: int) -> bytes:
    return hashlib.shake_128(name.encode()).digest(length)


def _base() -> bytearray:
    disk = bytearray(MEBIBYTE)
    disk[65536 : 65536 + 500_000] = _noise("base", 500_000)
    disk[900_000:900_100] = b"x" * 100
    return disk


def _patched() -> bytearray:
    disk = _base()
    disk[300_000:420_000] = _noise("patch", 120_000)
    return disk


def _patched_twice() -> bytearray:
    disk = _patched()
    disk[80_000:90_000] = _noise("second patch", 10_000)
    return disk


def _moved() -> bytearray:
    return bytearray(3 * BLOCK_BYTES) + _base() + bytearray(MEBIBYTE)


def _repeating() -> bytearray:
    return bytearray(_noise("tile", 40 * BLOCK_BYTES) * 6)


def _odd() -> bytearray:
    return bytearray(_noise("odd", 293 * 512))


def _alone() -> bytearray:
    return bytearray(BLOCK_BYTES) + bytearray(_noise("alone", 782 * 512)) + bytearray(BLOCK_BYTES)


def _empty() -> bytearray:
    return bytearray(MEBIBYTE)


def _sector() -> bytearray:
    return bytearray(b"s" * 512)


MAKERS = {
    "base": _base,
    "patched": _patched,
    "patched-twice": _patched_twice,
    "moved": _moved,
    "repeating": _repeating,
    "odd": _odd,
    "alone": _alone,
    "empty": _empty,
    "sector": _sector,
}
NAMES = tuple(MAKERS)


def occupied_bytes(content: bytes) -> int:
    """What is billed for a disk: its blocks of 4 KiB that are not all zeros."""
    blocks = (content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES))
    return sum(BLOCK_BYTES for block in blocks if any(block))


class Shelf:
    """The disks as raw files in a folder, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents: dict[str, bytes] = {}

    def content(self, name: str) -> bytes:
        """All bytes of a disk."""
        if name not in self._contents:
            content = bytes(MAKERS[name]())
            assert len(content) % 512 == 0, f"{name} is no disk: it is not made of sectors"
            self._contents[name] = content
        return self._contents[name]

    def path(self, name: str) -> Path:
        """The disk as a raw file."""
        path = self._folder / f"{name}.raw"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content(name))
        return path

    def name_of(self, content: bytes) -> str | None:
        """Which disk this is."""
        return next((name for name in NAMES if self.content(name) == content), None)
