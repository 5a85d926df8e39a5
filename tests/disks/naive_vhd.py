"""A second reader of VHDs: sector by sector, without a check, slow and plainly right."""

from collections.abc import Mapping


def naive_content(image: bytes, parents: Mapping[bytes, bytes]) -> bytes:
    """All bytes of the disk; `parents` are images by their identifier."""
    copies = (image[-512:], image[-511:] + b"\0", image[:512])
    footer = next(copy for copy in copies if _sound(copy))
    size = int.from_bytes(footer[48:56], "big")
    kind = int.from_bytes(footer[60:64], "big")
    if kind == 2:
        return image[:size]
    at = int.from_bytes(footer[16:24], "big")
    header = image[at : at + 1024]
    parent = b""
    if kind == 4:
        parent = naive_content(parents[header[40:56]], parents)
    return b"".join(_sector(image, header, number, kind, parent) for number in range(size // 512))


def _sector(image: bytes, header: bytes, number: int, kind: int, parent: bytes) -> bytes:
    block_bytes = int.from_bytes(header[32:36], "big")
    block, inside = divmod(number * 512, block_bytes)
    entry_at = int.from_bytes(header[16:24], "big") + 4 * block
    entry = int.from_bytes(image[entry_at : entry_at + 4], "big")
    parents = parent[number * 512 : number * 512 + 512].ljust(512, b"\0")
    if entry == 0xFFFFFFFF:
        return parents
    bitmap_bytes = max((block_bytes // 4096 + 511) // 512 * 512, 512)
    bit = inside // 512
    here = image[entry * 512 + bit // 8] >> (7 - bit % 8) & 1
    if kind == 4 and not here:
        return parents
    start = entry * 512 + bitmap_bytes + inside
    return image[start : start + 512]


def _sound(footer: bytes) -> bool:
    stated = int.from_bytes(footer[64:68], "big")
    total = sum(footer) - sum(footer[64:68])
    return footer.startswith(b"conectix") and stated == ~total & 0xFFFFFFFF
