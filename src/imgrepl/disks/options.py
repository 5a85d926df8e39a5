"""What a caller may ask of a reader, and what one reader tells the next along a chain."""

import os
from dataclasses import dataclass, replace

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.source import Identity, identity_of
from imgrepl.errors import Invalid

CHAIN_LENGTH_MAX = 64
"""Files in a chain of parents, the image itself counted."""


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """How to open an image.

    `parents`: files that may serve as parents, whatever the image says about their place; a
    `ByteSource` among them belongs to the disk from the moment it is taken as a parent.
    `ignore_checksum`: read on where a VHD's checksum is wrong.
    `size_from_geometry`: a VHD is as large as its CHS geometry says.
    `lineage`: the images that are being opened, outermost first; readers fill it.
    """

    parents: tuple[ByteSource | str | os.PathLike[str], ...] = ()
    ignore_checksum: bool = False
    size_from_geometry: bool = False
    lineage: tuple[Identity, ...] = ()

    def below(self, child: ByteSource) -> "OpenOptions":
        """The options with which the parent of `child` is opened.

        Raises `Invalid` (`ParentChainTooLong`).
        """
        if len(self.lineage) + 2 > CHAIN_LENGTH_MAX:
            raise Invalid(
                f"{child.name} needs a parent, but is already number {CHAIN_LENGTH_MAX} of its "
                f"chain; the limit is {CHAIN_LENGTH_MAX} files",
                code="ParentChainTooLong",
                target=child.name,
                hint="merge the chain first",
            )
        return replace(self, lineage=(*self.lineage, identity_of(child)))
