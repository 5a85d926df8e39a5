"""Real files of this machine, and how they change from one generation to the next."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES_MAX = 16 << 20
_CHANGED_PERCENT = 3


@dataclass(frozen=True)
class RealFile:
    """A file of this machine; `name` is its path on the disk that is made, without a root."""

    path: Path
    name: str
    length: int

    def changes_in(self, generation: int) -> bool:
        """Whether this generation's content differs from the one before: 3 files of 100."""
        return generation > 1 and self._number(generation) % 100 < _CHANGED_PERCENT

    def content(self, generation: int) -> bytes:
        """The bytes in that generation: each change puts a line somewhere into the file."""
        data = self.path.read_bytes()
        for change in range(2, generation + 1):
            if self.changes_in(change):
                at = self._number(change) // 100 % (len(data) + 1)
                data = data[:at] + f"\n# changed in generation {change}\n".encode() + data[at:]
        return data

    def _number(self, generation: int) -> int:
        digest = hashlib.sha256(f"{generation}:{self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big")


def real_files(
    roots: Sequence[Path], *, bytes_max: int, root_bytes_max: int, root_files_max: int
) -> list[RealFile]:
    """Files under each root in order of their names, until a limit is reached.

    Leaves out what is no regular file, cannot be read, is empty, is larger than `FILE_BYTES_MAX`,
    or comes and goes (compiled Python).
    """
    files: list[RealFile] = []
    left = bytes_max
    for root in roots:
        root_left = min(left, root_bytes_max)
        for file in _under(root, root_files_max):
            if file.length > root_left:
                break
            files.append(file)
            root_left -= file.length
            left -= file.length
    return files


def _under(root: Path, files_max: int) -> Iterator[RealFile]:
    count = 0
    for path in _walk(root):
        status = path.stat()
        if 0 < status.st_size <= FILE_BYTES_MAX and os.access(path, os.R_OK):
            yield RealFile(path, str(path.relative_to(path.anchor)), status.st_size)
            count += 1
            if count == files_max:
                return


def _walk(folder: Path) -> Iterator[Path]:
    """Regular files below `folder` whose names every tool can take, sorted."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name == "__pycache__" or not _is_plain(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and '"' not in name
