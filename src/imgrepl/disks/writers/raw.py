"""Raw: the disk's bytes and nothing else; blocks never written are holes."""

from imgrepl.disks.writers.part_file import PartFile


class RawWriter:
    """Writes a sparse raw file."""

    def __init__(self, part: PartFile, size_bytes: int) -> None:
        self._part = part
        part.set_length(size_bytes)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self._part.write(offset, data)

    def finish(self) -> None:
        self._part.publish()

    def abort(self) -> None:
        self._part.discard()
