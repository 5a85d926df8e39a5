"""Takes structures out of images. Every bound is compared before a byte is allocated or read."""

from imgrepl.disks.disk import ByteSource
from imgrepl.errors import Invalid


def read_field(source: ByteSource, field: str, offset: int, length: int) -> bytes:
    """The `length` bytes of `field` at `offset`.

    The caller has limited `length`. Raises `Invalid` (`ImageTruncated`) when they are not there.
    """
    if offset + length > source.size_bytes:
        raise past_the_end(source, field, offset, length)
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def past_the_end(source: ByteSource, field: str, offset: int, length: int) -> Invalid:
    """The error for `field`, which would lie at `[offset, offset + length)`."""
    return Invalid(
        f"{source.name}: {field} takes {length} bytes at offset {offset}, "
        f"the file ends at {source.size_bytes}",
        code="ImageTruncated",
        target=source.name,
        hint="fetch the image again: it was cut short, or a field of it was damaged",
    )


def damaged(source: ByteSource, message: str) -> Invalid:
    """The error for content that breaks its format; `message` says field, value and limit."""
    return Invalid(f"{source.name}: {message}", code="ImageDamaged", target=source.name)


def unsupported(source: ByteSource, message: str, hint: str | None = None) -> Invalid:
    """The error for what the format may contain and this reader does not read."""
    return Invalid(
        f"{source.name}: {message}", code="ImageFeatureUnsupported", target=source.name, hint=hint
    )


def over_limit(source: ByteSource, message: str, hint: str | None = None) -> Invalid:
    """The error for a value above a limit of the format or of this reader."""
    return Invalid(
        f"{source.name}: {message}", code="ImageLimitExceeded", target=source.name, hint=hint
    )
