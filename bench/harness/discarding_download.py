"""`imgrepl` with one part changed: downloads write no file.

What is downloaded must be a disk of `endless.py`: every chunk is checked to come to its own place,
and the end to leave nothing out.
"""

import sys
import threading
from pathlib import Path
from unittest.mock import patch

from imgrepl.cli.app import main

_BLOCK_BYTES = 4096


class DiscardingWriter:
    """A `DiskWriter` that looks at what comes and lets it go."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._written_bytes = 0
        self._lock = threading.Lock()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        number = int.from_bytes(data[:8], "little") - 1
        assert number * _BLOCK_BYTES == offset, f"block {number} came to {offset}"
        with self._lock:
            self._written_bytes += len(data)

    def finish(self) -> None:
        assert self._written_bytes == self._size_bytes, self._written_bytes

    def abort(self) -> None:
        """Has nothing to remove."""


def _open_writer(
    path: Path,  # noqa: ARG001 - all of these are the real one's
    format: str,  # noqa: A002, ARG001
    size_bytes: int,
    *,
    identity: bytes,  # noqa: ARG001
    created_seconds: int,  # noqa: ARG001
    overwrite: bool = False,  # noqa: ARG001
) -> DiscardingWriter:
    return DiscardingWriter(size_bytes)


if __name__ == "__main__":
    with patch("imgrepl.actions.downloads.open_writer", _open_writer):
        sys.exit(main())
