"""A disk as runs of consecutive slots and gaps that cover it exactly.

And the packs those runs name.
"""

from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.model.ids import ContentId, PackId

BLOCK_BYTES = 4096


def padded_bytes(size_bytes: int) -> int:
    """`size_bytes` rounded up to whole blocks: a disk's last block is padded with zeros."""
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES


class Run(NamedTuple):
    """`slots` consecutive chunks of one pack that lie back to back on the disk.

    `disk_offset` and `length_bytes` are bytes of the disk, multiples of 4,096 (the disk's last
    block counts in full); `pack` is the position in the manifest's pack table.
    """

    disk_offset: int
    length_bytes: int
    pack: int
    first_slot: int
    slots: int


class PackUse(NamedTuple):
    """A pack that a manifest names.

    All its stored bytes, and how many of them are frames this disk needs.
    """

    pack_id: PackId
    pack_bytes: int
    used_bytes: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One disk. Everything between two runs is zeros.

    `size_bytes` is the guest-visible size; `occupied_bytes` the non-zero 4 KiB blocks x 4,096;
    `chunks` counts slots over all runs; runs are sorted by disk offset and do not touch a block
    twice.
    """

    content_id: ContentId
    size_bytes: int
    occupied_bytes: int
    chunks: int
    packs: tuple[PackUse, ...]
    runs: tuple[Run, ...]

    @property
    def stored_bytes(self) -> int:
        """Stored bytes of the frames that this disk needs, once each."""
        return sum(use.used_bytes for use in self.packs)
