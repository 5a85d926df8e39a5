"""Fixed VHD, the one format Azure takes: the disk's bytes, then a footer of 512."""

from imgrepl.disks.writers import vhd_layout
from imgrepl.disks.writers.part_file import PartFile


class FixedVhdWriter:
    """Writes a sparse fixed VHD. The virtual size is kept as it is, never rounded."""

    def __init__(
        self, part: PartFile, size_bytes: int, *, identity: bytes, created_seconds: int
    ) -> None:
        self._part = part
        self._size_bytes = size_bytes
        self._footer = vhd_layout.footer(
            vhd_layout.FIXED, size_bytes, identity=identity, created_seconds=created_seconds
        )
        part.set_length(size_bytes + vhd_layout.FOOTER_BYTES)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self._part.write(offset, data)

    def finish(self) -> None:
        self._part.write(self._size_bytes, self._footer)
        self._part.publish()

    def abort(self) -> None:
        self._part.discard()
