"""Small objects that people may have to read: canonical JSON that carries its own digest."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from blake3 import blake3

from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout.content import Buffer

DOCUMENT_FORMAT = 1
DOCUMENT_BYTES_MAX = 16 << 20
DEPTH_MAX = 32
"""Of lists and objects in one another: what we write has seven."""

HEX_32 = re.compile(r"[0-9a-f]{32}")
HEX_64 = re.compile(r"[0-9a-f]{64}")

Value = TypeVar("Value")

_SHOWN_CHARS_MAX = 200
_KEYS = {"blake3", "body", "format", "kind"}


def encode_document(kind: str, body: Mapping[str, Any]) -> bytes:
    """A document's bytes: sorted keys, no spaces, ASCII, one line, no fractions.

    Equal bodies give equal bytes. Raises `Invalid` (`DocumentTooLarge`).
    """
    inner = {"body": dict(body), "format": DOCUMENT_FORMAT, "kind": kind}
    digest = blake3(_canonical(inner)).hexdigest()
    encoded = _canonical({**inner, "blake3": digest}) + b"\n"
    if len(encoded) > DOCUMENT_BYTES_MAX:
        raise Invalid(
            f"a {kind} has {len(encoded)} bytes; the limit is {DOCUMENT_BYTES_MAX}",
            code="DocumentTooLarge",
        )
    assert decode_document(kind, encoded) is not None
    return encoded


def decode_document(kind: str, data: Buffer) -> dict[str, Any]:
    """The body of a document of this kind.

    Raises `Corrupt` (`DocumentCorrupt`) when it is not to the last byte what was written, and
    `Invalid` (`FormatUnknown`) for what a later release wrote.
    """
    document = _parsed(kind, data)
    if _depth(document) > DEPTH_MAX:
        raise _corrupt(kind, f"it is nested more than {DEPTH_MAX} deep")
    if not isinstance(document, dict) or document.keys() != _KEYS:
        raise _corrupt(kind, "it has other fields than a document")
    if _canonical(document) + b"\n" != data:
        raise _corrupt(kind, "it is not written the way documents are")
    digest = document.pop("blake3")
    if blake3(_canonical(document)).hexdigest() != digest:
        raise _corrupt(kind, "its digest does not agree with its content")
    if document["kind"] != kind:
        raise _corrupt(kind, f"it is a {shown(document['kind'])}")
    if document["format"] != DOCUMENT_FORMAT:
        raise field_unknown(kind, f"format {shown(document['format'])}")
    body = document["body"]
    if not isinstance(body, dict):
        raise _corrupt(kind, "its body is no object")
    return body


def identifier(value: object, pattern: re.Pattern[str]) -> str:
    """`value` if it is of that shape: keys and paths are made of it. Raises `ValueError`."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is no id of {pattern.pattern}")
    return value


def number(value: object, number_max: int, *, number_min: int = 0) -> int:
    """`value` if it is a whole number of that range. Raises `ValueError`."""
    if type(value) is not int or not number_min <= value <= number_max:
        raise ValueError(f"{value!r} is no number from {number_min} to {number_max}")
    return value


def field_corrupt(kind: str, error: Exception) -> Corrupt:
    """A document whose digest agrees but whose fields are not what its kind has."""
    return _corrupt(kind, f"{type(error).__name__}: {shown(str(error))}")


def proven(kind: str, value: Value, encode: Callable[[Value], bytes], data: Buffer) -> Value:
    """`value`, which was read from `data`, if writing it again gives the same bytes.

    So no field can have another type, or a second spelling of its value. Raises `Corrupt`.
    """
    if encode(value) != data:
        raise _corrupt(kind, "it has fields that its kind does not have, or of other types")
    return value


def field_unknown(kind: str, what: str) -> Invalid:
    """A document that is whole, but written by a later release."""
    return Invalid(
        f"a {kind} has {shown(what)}, which this release does not know",
        code="FormatUnknown",
        hint="use the release that wrote it, or a later one",
    )


def _parsed(kind: str, data: Buffer) -> Any:  # noqa: ANN401 - whatever is in it
    if len(data) > DOCUMENT_BYTES_MAX:
        raise _corrupt(kind, f"it has {len(data)} bytes; the limit is {DOCUMENT_BYTES_MAX}")
    try:
        return json.loads(bytes(data), parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _corrupt(kind, f"it is no JSON: {error}") from error


def _depth(value: object) -> int:
    """How deep lists and objects lie in one another; not much deeper than is allowed."""
    level, depth = [value], 0
    while level and depth <= DEPTH_MAX:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [item for one in inner for item in (one.values() if isinstance(one, dict) else one)]
        depth += bool(inner)
    return depth


def shown(value: object) -> str:
    """What somebody else wrote, as a message may have it."""
    text = value if isinstance(value, str) else repr(value)
    return ascii(text[:_SHOWN_CHARS_MAX])[1:-1]


def _no_number(text: str) -> None:
    """Fractions are written in more than one way, and what is no number in none."""
    raise ValueError(f"{shown(text)} is no whole number")


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _corrupt(kind: str, what: str) -> Corrupt:
    return Corrupt(f"a {kind} is damaged: {what}", code="DocumentCorrupt")
