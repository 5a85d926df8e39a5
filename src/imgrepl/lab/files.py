"""Small files that must be whole, and a folder that one command at a time may change."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from imgrepl.errors import Conflict


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by `text` atomically, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps every other `up` and `down` out of `folder`, which must exist, until the block ends.

    The lock is on the folder itself and goes with the process that holds it. Raises `Conflict`
    (`LabBusy`) at once where another has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another `imgrepl lab` command works on {folder}",
                code="LabBusy",
                target=str(folder),
                hint="wait for it to end, or name another folder with --dir",
            ) from error
        yield
    finally:
        os.close(descriptor)
