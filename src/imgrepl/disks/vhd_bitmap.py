"""The sector bitmap before each block of a dynamic or differencing VHD.

One bit per sector of 512 bytes, the most significant first. In a differencing VHD it says which
sectors are here (1) and which are the parent's (0). In a dynamic VHD 0 means never written; every
reader gives what is stored all the same, so there it only serves to find doubtful images.
"""

import numpy as np
import numpy.typing as npt

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Problem
from imgrepl.disks.faults import warning
from imgrepl.disks.fields import read_field
from imgrepl.disks.vhd_dynamic import BlockMap

SAMPLED_BLOCKS_MAX = 256
SAMPLED_BYTES_MAX = 16 << 20

Mask = npt.NDArray[np.bool_]
"""One truth value per sector."""


def sectors_here(
    source: ByteSource, blocks: BlockMap, block: int, first_sector: int, count: int
) -> Mask:
    """Which of `count` sectors from `first_sector` of a present block its bitmap says are here."""
    first_byte, skipped = divmod(first_sector, 8)
    length = -(-(skipped + count) // 8)
    packed = read_field(source, "a sector bitmap", blocks.bitmap_offset(block) + first_byte, length)
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    return bits[skipped : skipped + count].astype(np.bool_)


def runs(mask: Mask) -> list[tuple[int, int, bool]]:
    """The mask as (first, stop, value), alternating, from the first sector to the last."""
    if not mask.size:
        return []
    edges = (np.flatnonzero(mask[1:] != mask[:-1]) + 1).tolist()
    starts, stops = [0, *edges], [*edges, mask.size]
    return [(a, b, bool(mask[a])) for a, b in zip(starts, stops, strict=True)]


def doubtful_blocks(source: ByteSource, blocks: BlockMap) -> tuple[Problem, ...]:
    """A warning where a dynamic VHD holds data in sectors that its bitmap says were never written.

    A sample, so that opening stays quick: at most `SAMPLED_BLOCKS_MAX` blocks, evenly spread, and
    `SAMPLED_BYTES_MAX` of their data.
    """
    present = blocks.present_blocks()
    step = -(-present.size // SAMPLED_BLOCKS_MAX) or 1
    budget_bytes = SAMPLED_BYTES_MAX
    for block in present[::step].tolist():
        mask = sectors_here(source, blocks, block, 0, blocks.block_bytes // SECTOR_BYTES)
        for first, stop, written in [] if mask.all() else runs(mask):
            length = min((stop - first) * SECTOR_BYTES, budget_bytes)
            if written or length == 0:
                continue
            data_offset = blocks.bitmap_offset(block) + blocks.bitmap_bytes
            budget_bytes -= length
            if _holds_data(source, data_offset + first * SECTOR_BYTES, length):
                return (_doubt(source, block, first),)
    return ()


def _holds_data(source: ByteSource, offset: int, length: int) -> bool:
    return any(
        np.frombuffer(read_field(source, "a block", *extent), dtype=np.uint8).any()
        for extent in source.data_extents(offset, length)
    )


def _doubt(source: ByteSource, block: int, sector: int) -> Problem:
    message = (
        f"the bitmap of block {block} says that sector {sector} was never written, but data is "
        "stored from there on; it is read as stored, as other readers do"
    )
    return warning(source, "VhdBitmapDoubtful", message)
