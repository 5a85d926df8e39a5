"""Small objects that people may have to read: canonical JSON that carries its own digest."""

import json
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout.content import Buffer

DOCUMENT_FORMAT = 1
DOCUMENT_BYTES_MAX = 16 << 20

_KEYS = {"blake3", "body", "format", "kind"}


def encode_document(kind: str, body: Mapping[str, Any]) -> bytes:
    """A document's bytes: sorted keys, no spaces, ASCII, one line.

    Equal bodies give equal bytes.
    """
    inner = {"body": dict(body), "format": DOCUMENT_FORMAT, "kind": kind}
    digest = blake3(_canonical(inner)).hexdigest()
    return _canonical({**inner, "blake3": digest}) + b"\n"


def decode_document(kind: str, data: Buffer) -> dict[str, Any]:
    """The body of a document of this kind.

    Raises `Corrupt` (`DocumentCorrupt`) when its digest does not agree, and `Invalid`
    (`FormatUnknown`) for what a later release wrote.
    """
    document = _parsed(kind, data)
    if not isinstance(document, dict) or document.keys() != _KEYS:
        raise _corrupt(kind, "it has other fields than a document")
    digest = document.pop("blake3")
    if blake3(_canonical(document)).hexdigest() != digest:
        raise _corrupt(kind, "its digest does not agree with its content")
    if document["format"] != DOCUMENT_FORMAT or document["kind"] != kind:
        raise Invalid(
            f"this is a {document['kind']} of format {document['format']}, where a {kind} of format"
            f" {DOCUMENT_FORMAT} is expected",
            code="FormatUnknown",
            hint="use the release that wrote it, or a later one",
        )
    body = document["body"]
    if not isinstance(body, dict):
        raise _corrupt(kind, "its body is no object")
    return body


def _parsed(kind: str, data: Buffer) -> Any:  # noqa: ANN401 - whatever is in it
    if len(data) > DOCUMENT_BYTES_MAX:
        raise _corrupt(kind, f"it has {len(data)} bytes; the limit is {DOCUMENT_BYTES_MAX}")
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise _corrupt(kind, f"it is no JSON: {error}") from error


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _corrupt(kind: str, what: str) -> Corrupt:
    return Corrupt(f"a {kind} is damaged: {what}", code="DocumentCorrupt")


def field_corrupt(kind: str, error: Exception) -> Corrupt:
    """A document whose digest agrees but whose fields are not what its kind has."""
    return _corrupt(kind, f"{type(error).__name__}: {error}")
