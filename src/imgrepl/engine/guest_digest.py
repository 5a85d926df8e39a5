"""The SHA-256 of a guest-visible disk, holes included: what `sha256sum` says of its raw file."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

from imgrepl.disks.disk import Disk
from imgrepl.engine.stopping import check_stop

_STEP_BYTES = 4 << 20


class GuestDigest:
    """Hashes a disk in a thread of its own, from the moment it is made: it is serial and slow.

    It reads the disk a second time, from the page cache as a rule, so that the ingest need not run
    in its order.
    """

    def __init__(self, disk: Disk, stop: threading.Event) -> None:
        self._disk = disk
        self._stop = stop
        self._pool = ThreadPoolExecutor(1, "sha256")
        self._future = self._pool.submit(self._hash)

    def result(self) -> str:
        """The digest in hex, when it is done."""
        try:
            return self._future.result()
        finally:
            self._pool.shutdown()

    def _hash(self) -> str:
        digest, zeros, position = hashlib.sha256(), bytes(_STEP_BYTES), 0
        buffer = memoryview(bytearray(_STEP_BYTES))
        for extent in self._disk.data_extents(0, self._disk.size_bytes):
            position = self._zeros(digest, zeros, position, extent.offset)
            end = extent.offset + extent.length
            while position < end:
                check_stop(self._stop)
                part = buffer[: min(_STEP_BYTES, end - position)]
                self._disk.read_into(position, part)
                digest.update(part)
                position += len(part)
        self._zeros(digest, zeros, position, self._disk.size_bytes)
        return digest.hexdigest()

    def _zeros(self, digest: "hashlib._Hash", zeros: bytes, position: int, end: int) -> int:
        while position < end:
            check_stop(self._stop)
            step = min(len(zeros), end - position)
            digest.update(zeros[:step] if step < len(zeros) else zeros)
            position += step
        return end
