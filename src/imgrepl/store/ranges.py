"""What `Reads.get` means by offset and length, for stores that hold the bytes themselves."""

from imgrepl.errors import Corrupt, Invalid


def check_range(key: str, offset: int, length: int | None) -> None:
    """Raises `Invalid` (`InvalidRange`) for a range that no object has."""
    if length is not None and (offset < 0 or length < 0):
        raise Invalid(
            f"a range of {key} begins at {offset} and has {length} bytes: neither may be negative "
            "where a length is given",
            code="InvalidRange",
            target=key,
        )


def span_of(key: str, size_bytes: int, offset: int, length: int | None) -> tuple[int, int]:
    """First byte and byte after the last of a range of an object of `size_bytes`.

    Raises `Corrupt` (`ObjectTruncated`) where the object ends before the range does, and `Invalid`
    as `check_range`.
    """
    check_range(key, offset, length)
    if length is None:
        return (max(0, size_bytes + offset) if offset < 0 else min(offset, size_bytes)), size_bytes
    if offset + length > size_bytes:
        raise truncated(key, offset + length, size_bytes)
    return offset, offset + length


def truncated(key: str, needed_bytes: int, size_bytes: int) -> Corrupt:
    """The error for an object that is shorter than what was asked of it."""
    return Corrupt(
        f"{key} ends at byte {size_bytes}, before byte {needed_bytes} that was asked for",
        code="ObjectTruncated",
        target=key,
    )
