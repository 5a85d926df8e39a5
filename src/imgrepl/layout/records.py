"""Records: every field of a gallery, definition or version.

Enough to rebuild an index from one region.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import decode_document, encode_document, field_corrupt
from imgrepl.model.ids import IncarnationId


class RecordKind(StrEnum):
    """What a record is of."""

    GALLERY = "gallery"
    DEFINITION = "imageDefinition"
    VERSION = "imageVersion"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One revision of one resource; the highest revision of an incarnation counts.

    `path` is its names in lower case; `deleted` makes it a tombstone, whose `fields` still say what
    was deleted.
    """

    kind: RecordKind
    path: tuple[str, ...]
    incarnation: IncarnationId
    revision: int
    deleted: bool
    fields: Mapping[str, Any]


def encode_record(record: Record) -> bytes:
    """The bytes of a record."""
    return encode_document(
        "record",
        {
            "kind": record.kind.value,
            "path": [name.lower() for name in record.path],
            "incarnation": record.incarnation,
            "revision": record.revision,
            "deleted": record.deleted,
            "fields": dict(record.fields),
        },
    )


def decode_record(data: Buffer) -> Record:
    """The record in `data`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("record", data)
    try:
        return Record(
            kind=RecordKind(body["kind"]),
            path=tuple(str(name) for name in body["path"]),
            incarnation=IncarnationId(str(body["incarnation"])),
            revision=int(body["revision"]),
            deleted=bool(body["deleted"]),
            fields=dict(body["fields"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise field_corrupt("record", error) from error
