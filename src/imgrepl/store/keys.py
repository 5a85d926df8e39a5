"""Which keys a place takes: the same rule for every store, so that a key good in one is in all."""

from imgrepl.errors import Invalid

KEY_BYTES_MAX = 900
"""Below S3's 1,024, which counts the place's own prefix too."""

SEGMENT_BYTES_MAX = 255
"""What a file system takes as one name."""

SEGMENTS_MAX = 32
"""Of one key, its place's prefix not counted: what is walked is not endlessly deep."""

RESERVED_SEGMENT = ".imgrepl"
"""How the names begin that a directory store keeps for itself."""


def checked_key(key: str) -> str:
    """The key itself, where it may name an object.

    Raises `Invalid` (`InvalidKey`): segments between slashes are 1 to 255 printable ASCII
    characters, none is `.` or `..` or begins with `.imgrepl`, all together at most 900; there are
    at most 32 segments.
    """
    if key.count("/") >= SEGMENTS_MAX:
        raise _refusal(key, f"has more than {SEGMENTS_MAX} segments")
    if not 0 < len(key) <= KEY_BYTES_MAX:
        raise _refusal(key, f"has {len(key)} characters; 1 to {KEY_BYTES_MAX} are allowed")
    _check_characters(key)
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            raise _refusal(key, f"has the segment {segment!r}")
        if len(segment) > SEGMENT_BYTES_MAX:
            raise _refusal(
                key, f"has a segment of {len(segment)} characters; at most {SEGMENT_BYTES_MAX}"
            )
        if segment.startswith(RESERVED_SEGMENT):
            raise _refusal(key, f"has a segment that begins with {RESERVED_SEGMENT}")
    return key


def is_key(text: str) -> bool:
    """Whether `text` may name an object."""
    try:
        checked_key(text)
    except Invalid:
        return False
    return True


def checked_prefix(prefix: str) -> str:
    """The prefix itself, where keys may begin with it; it may be empty and may end anywhere.

    Raises `Invalid` (`InvalidKey`).
    """
    _check_characters(prefix)
    if prefix.startswith("/") or "//" in prefix or ".." in prefix.split("/"):
        raise _refusal(prefix, "has an empty segment or '..'")
    return prefix


def _check_characters(text: str) -> None:
    if not (text.isascii() and (text.isprintable() or not text)):
        raise _refusal(text, "holds characters that are not printable ASCII")


def _refusal(key: str, why: str) -> Invalid:
    return Invalid(f"the key {key[:80]!r} {why}", code="InvalidKey", target=key[:KEY_BYTES_MAX])
