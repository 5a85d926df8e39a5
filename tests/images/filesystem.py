"""Disks with a file system of this machine's real files, and their next generations.

Without e2fsprogs the files lie in a partition without a file system, and only rebuilding works.
"""

import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

from imgrepl.lab import gpt
from imgrepl.lab.ext4 import can_make_ext4, debugfs
from imgrepl.lab.real_files import RealFile, real_files
from imgrepl.lab.sample_disk import write_disk_of_files

DEFAULT_FOLDER = Path("/usr/share")
_FILES_MAX = 5000


def files_for(size_bytes: int, folder: Path = DEFAULT_FOLDER) -> list[RealFile]:
    """As many files of `folder` as fill half of a disk of `size_bytes`, at most 5,000."""
    room = size_bytes // 2
    return real_files([folder], bytes_max=room, root_bytes_max=room, root_files_max=_FILES_MAX)


def make_disk(
    path: Path, size_bytes: int, folder: Path = DEFAULT_FOLDER, *, generation: int = 1
) -> None:
    """A fixed VHD where the name ends in `.vhd`, else raw. Each generation is laid out afresh."""
    write_disk_of_files(
        path,
        files_for(size_bytes, folder),
        size_bytes=size_bytes,
        generation=generation,
        image_format="vhd" if path.suffix == ".vhd" else "raw",
    )


def change_some_files(
    before: Path, after: Path, size_bytes: int, folder: Path = DEFAULT_FOLDER, *, generation: int
) -> list[str]:
    """Makes `after` from `before` in place, as a running machine would; gives the files' names.

    The files that change are those that a rebuild of `generation` changes. Needs e2fsprogs.
    """
    assert can_make_ext4()
    subprocess.run(["cp", "--sparse=always", before, after], check=True)
    changed = [file for file in files_for(size_bytes, folder) if file.changes_in(generation)]
    with tempfile.TemporaryDirectory() as scratch:
        debugfs(after, gpt.PARTITION_OFFSET, _replacements(changed, generation, Path(scratch)))
    return [file.name for file in changed]


def _replacements(files: list[RealFile], generation: int, scratch: Path) -> str:
    """debugfs commands that remove each file and write it anew; it names files in `cd` only."""
    by_folder: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for number, file in enumerate(files):
        content = scratch / str(number)
        content.write_bytes(file.content(generation))
        path = PurePosixPath(file.name)
        by_folder[str(path.parent)].append((path.name, content))
    lines = []
    for folder, replaced in by_folder.items():
        lines.append(f'cd "/{folder}"')
        for name, content in replaced:
            lines += [f'rm "{name}"', f'write "{content}" "{name}"']
    return "\n".join(lines) + "\n"
