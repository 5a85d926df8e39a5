"""How a disk is cut: values that a store fixes for ever when it is made."""

from dataclasses import dataclass

from imgrepl.errors import Invalid
from imgrepl.model.manifest import BLOCK_BYTES

SEGMENT_BYTES = 64 << 20
"""No chunk crosses a multiple of this disk offset, so that segments can be cut independently."""

CHUNK_BYTES_MAX = 1 << 20
"""No profile makes larger chunks: bounds every buffer that a chunk is decoded into."""

AVERAGE_BYTES_PROFILES = (32 << 10, 64 << 10, 256 << 10)
DEFAULT_SEED = int.from_bytes(b"imgrepl1", "big")
"""Part of the format: two stores of one seed and average cut equal disks alike."""


@dataclass(frozen=True, kw_only=True)
class ChunkerParameters:
    """How disks are cut. Fixed when a store is made: other values find no duplicates any more.

    `average_bytes` is one of `AVERAGE_BYTES_PROFILES`; `seed` an unsigned 64-bit number. Raises
    `Invalid` (`InvalidChunkerParameters`) for anything else.
    """

    average_bytes: int = AVERAGE_BYTES_PROFILES[0]
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        if self.average_bytes not in AVERAGE_BYTES_PROFILES:
            profiles = ", ".join(f"{profile >> 10} KiB" for profile in AVERAGE_BYTES_PROFILES)
            raise Invalid(
                f"the average chunk is {self.average_bytes} bytes; it must be one of {profiles}",
                code="InvalidChunkerParameters",
            )
        if not 0 <= self.seed < 1 << 64:
            raise Invalid(
                f"the chunker's seed is {self.seed}; it must fit 64 bits without a sign",
                code="InvalidChunkerParameters",
            )

    @property
    def blocks_min(self) -> int:
        """Blocks of a chunk before the first at which a hash may end it, that one included."""
        return self.average_bytes // 4 // BLOCK_BYTES

    @property
    def blocks_max(self) -> int:
        """Blocks after which a chunk ends whatever its content is."""
        return self.average_bytes * 4 // BLOCK_BYTES

    @property
    def bytes_max(self) -> int:
        """Length of the longest chunk."""
        return self.average_bytes * 4

    @property
    def threshold(self) -> int:
        """A block whose hash is below this ends its chunk: one block in `average / 4,096`."""
        return (1 << 64) // (self.average_bytes // BLOCK_BYTES)
