"""A disk of real files to try imgrepl with: no download, no root, a few seconds.

Generation 1 is 100 to 150 MB of this machine's own files on a disk of 1 GiB; each later one is the
same disk rebuilt after 3 files of 100 were changed, as an image pipeline would do it.
"""

import tempfile
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from imgrepl import errors
from imgrepl.disks.writers.writer import DiskWriter, open_writer
from imgrepl.lab import gpt
from imgrepl.lab.ext4 import PINNED_SECONDS, can_make_ext4, make_ext4
from imgrepl.lab.real_files import RealFile, real_files

SAMPLE_BYTES = 1 << 30
_FILES_BYTES_MAX = 150 << 20
_ROOT_BYTES_MAX = 45 << 20
_ROOT_FILES_MAX = 1500
_PIECE_BYTES = 256 << 10
_BLOCK_BYTES = 4096


def make_sample(folder_out: Path, generation: int, *, overwrite: bool = False) -> Path:
    """Makes `sample-v<generation>.vhd`, a fixed VHD of 1 GiB, in `folder_out`, and gives its path.

    The same machine makes the same bytes. Needs up to 500 MB in `folder_out` for a few seconds and
    keeps about 170. Raises `NotFound` (`SampleFilesNotFound`), `Conflict` (`TargetExists`),
    `Unavailable` (`SampleToolFailed`, `LocalDiskFull`).
    """
    path = folder_out / f"sample-v{generation}.vhd"
    folder_out.mkdir(parents=True, exist_ok=True)
    write_disk_of_files(
        path,
        _sample_files(),
        size_bytes=SAMPLE_BYTES,
        generation=generation,
        image_format="vhd",
        overwrite=overwrite,
    )
    return path


def write_disk_of_files(
    path: Path,
    files: Sequence[RealFile],
    *,
    size_bytes: int,
    generation: int = 1,
    image_format: str = "raw",
    overwrite: bool = False,
) -> None:
    """One partition with an ext4 file system that holds `files` as they are in `generation`.

    Where the machine has no e2fsprogs, the partition holds a list of the files and then each file
    at a multiple of 4,096.
    """
    assert generation >= 1
    writer = open_writer(
        path,
        image_format,
        size_bytes,
        identity=_id(f"disk:{generation}").bytes,
        created_seconds=PINNED_SECONDS + generation,
        overwrite=overwrite,
    )
    try:
        if can_make_ext4():
            _write_ext4(writer, path.parent, files, size_bytes, generation)
        else:
            _write_plain(writer, files, size_bytes, generation)
        writer.finish()
    except BaseException:
        writer.abort()
        raise


def _sample_files() -> list[RealFile]:
    usr = Path("/usr")
    pythons = sorted([*usr.glob("lib/python3*"), *usr.glob("local/lib/python3*")])
    files = real_files(
        [*pythons, usr / "share", usr / "bin", usr / "lib"],
        bytes_max=_FILES_BYTES_MAX,
        root_bytes_max=_ROOT_BYTES_MAX,
        root_files_max=_ROOT_FILES_MAX,
    )
    if not files:
        raise errors.NotFound(
            "no readable file under /usr to make a sample disk of",
            code="SampleFilesNotFound",
            hint="Take an image of your own instead.",
        )
    unique = {file.name: file for file in files}  # /usr/lib is walked after /usr/lib/python3
    return list(unique.values())


def _write_ext4(
    writer: DiskWriter, scratch: Path, files: Sequence[RealFile], size_bytes: int, generation: int
) -> None:
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".imgrepl-sample-") as folder:
        tree, raw = Path(folder, "tree"), Path(folder, "raw")
        tree.mkdir()
        for file in files:
            staged = tree / file.name
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(file.content(generation))
        with raw.open("wb") as disk:
            disk.truncate(size_bytes)
            for offset, data in _table(size_bytes):
                disk.seek(offset)
                disk.write(data)
        length = gpt.partition_bytes(size_bytes)
        make_ext4(raw, offset=gpt.PARTITION_OFFSET, length=length, tree=tree)
        _copy(raw, writer)


def _copy(raw: Path, writer: DiskWriter) -> None:
    """Everything but the pieces that are zero."""
    zeros = bytes(_PIECE_BYTES)
    offset = 0
    with raw.open("rb", buffering=0) as disk:
        while piece := disk.read(_PIECE_BYTES):
            if piece != zeros:
                writer.write(offset, piece)
            offset += len(piece)


def _write_plain(
    writer: DiskWriter, files: Iterable[RealFile], size_bytes: int, generation: int
) -> None:
    """No file system: for each file a block with its name and length, then its content."""
    for offset, data in _table(size_bytes):
        writer.write(offset, data)
    offset = gpt.PARTITION_OFFSET
    end = offset + gpt.partition_bytes(size_bytes)
    for file in files:
        content = file.content(generation)
        entry = _padded(f"{file.name}\n{len(content)}\n".encode()) + _padded(content)
        if offset + len(entry) > end:
            raise errors.Invalid(
                f"the files need more room than a disk of {size_bytes} bytes has",
                code="SampleTooLarge",
                hint="Take fewer files or a larger disk.",
            )
        writer.write(offset, entry)
        offset += len(entry)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // _BLOCK_BYTES) * _BLOCK_BYTES, b"\0")


def _table(size_bytes: int) -> list[tuple[int, bytes]]:
    return gpt.partition_table(size_bytes, disk_id=_id("disk"), partition_id=_id("partition"))


def _id(what: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"imgrepl:sample:{what}")
