"""Changes to a VHD's structures that leave the checksums right."""

import struct

from images.sparse import SparseBytes

Edit = tuple[int, bytes]
"""A field's offset in its structure, and its new bytes."""

FOOTER_BYTES, HEADER_BYTES = 512, 1024
CREATOR, VERSION, DATA_OFFSET, ORIGINAL_SIZE, SIZE = 28, 12, 16, 40, 48
GEOMETRY, TYPE, SAVED_STATE = 56, 60, 84
TABLE_OFFSET, TABLE_ENTRIES, BLOCK_BYTES = 16, 28, 32


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def checksum(structure: bytes) -> int:
    """One's complement of the byte sum, written here a second time to check the first."""
    return ~sum(structure) & 0xFFFFFFFF


def at_head(image: SparseBytes, edit: Edit) -> SparseBytes:
    """Edits the copy of the footer at the start."""
    return _edited(image, 0, FOOTER_BYTES, 64, edit)


def at_tail(image: SparseBytes, edit: Edit) -> SparseBytes:
    """Edits the footer at the end."""
    return _edited(image, image.length - FOOTER_BYTES, FOOTER_BYTES, 64, edit)


def at_both(image: SparseBytes, edit: Edit) -> SparseBytes:
    """Edits the footer and its copy."""
    return at_tail(at_head(image, edit), edit)


def in_header(image: SparseBytes, edit: Edit) -> SparseBytes:
    """Edits the dynamic header."""
    return _edited(image, FOOTER_BYTES, HEADER_BYTES, 36, edit)


def _edited(
    image: SparseBytes, base: int, length: int, checksum_offset: int, edit: Edit
) -> SparseBytes:
    offset, value = edit
    blank = image.patched((base + offset, value), (base + checksum_offset, bytes(4)))
    return blank.patched((base + checksum_offset, u32(checksum(blank.read(base, length)))))
