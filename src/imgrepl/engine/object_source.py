"""An object in a bucket as the source of a disk image: read by ranges, never whole."""

import threading
from collections import OrderedDict
from collections.abc import Iterator

from imgrepl.disks.disk import Extent
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound
from imgrepl.store.protocols import ObjectInfo, Reads

_BLOCK_BYTES = 4 << 20
_BLOCKS_KEPT = 4


class ObjectSource:
    """A `ByteSource` over one object. Keeps the last four blocks of 4 MiB that were read in parts.

    It has no holes to tell of: an image's own tables say what need not be read.
    """

    def __init__(self, store: Reads, key: str, name: str, endpoint_url: str | None = None) -> None:
        self._store = store
        self._key = key
        self.name = name
        self.endpoint_url = endpoint_url
        self._info = self._found()
        self.size_bytes = self._info.size_bytes
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def etag(self) -> str:
        """Its ETag when it was opened."""
        return self._info.etag

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`.

        Raises `Invalid` (`ImageTruncated`) behind the end, `Conflict` (`SourceChanged`).
        """
        if offset + len(buffer) > self.size_bytes:
            raise Invalid(
                f"{self.name} has {self.size_bytes} bytes; {offset + len(buffer)} are needed",
                code="ImageTruncated",
                target=self.name,
            )
        done = 0
        while done < len(buffer):
            number, start = divmod(offset + done, _BLOCK_BYTES)
            wanted = len(buffer) - done
            if start == 0 and wanted >= _BLOCK_BYTES and number not in self._blocks:
                part = self._get(offset + done, _BLOCK_BYTES)  # a window: nothing comes back for it
            else:
                part = self._block(number)[start : start + wanted]
            buffer[done : done + len(part)] = part
            done += len(part)

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """All of it."""
        if length > 0:
            yield Extent(offset, length)

    def check_unchanged(self) -> None:
        """Raises `Conflict` (`SourceChanged`) when it is gone, or size or ETag are others."""
        try:
            now = self._store.head(self._key)
        except NotFound as error:
            raise self._changed() from error
        if (now.size_bytes, now.etag) != (self._info.size_bytes, self._info.etag):
            raise self._changed()

    def close(self) -> None:
        """Forgets the blocks."""
        self._blocks.clear()

    def _block(self, number: int) -> bytes:
        with self._lock:
            block = self._blocks.get(number)
            if block is None:
                start = number * _BLOCK_BYTES
                length = min(_BLOCK_BYTES, self.size_bytes - start)
                block = self._blocks[number] = self._get(start, length)
                if len(self._blocks) > _BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
            else:
                self._blocks.move_to_end(number)
            return block

    def _found(self) -> ObjectInfo:
        try:
            return self._store.head(self._key)
        except NotFound as error:
            if error.code == "BucketMissing":
                raise
            raise NotFound(
                f"{self.name} does not exist",
                code="SourceNotFound",
                target=self.name,
                hint="check bucket and key, and AWS_ENDPOINT_URL where the bucket is not on AWS",
            ) from error

    def _get(self, start: int, length: int) -> bytes:
        try:
            return self._store.get(self._key, offset=start, length=length)
        except (Corrupt, NotFound):
            self.check_unchanged()  # one that was replaced is no damaged one
            raise

    def _changed(self) -> Conflict:
        return Conflict(
            f"{self.name} changed while it was read",
            code="SourceChanged",
            target=self.name,
            hint="publish a copy that nobody writes to",
        )
