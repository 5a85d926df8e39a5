"""Records: every field of a gallery, definition or version.

Enough to rebuild an index from one region.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imgrepl.layout import keys
from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import (
    HEX_32,
    decode_document,
    encode_document,
    field_corrupt,
    field_unknown,
    identifier,
    number,
    proven,
)
from imgrepl.layout.keys import RecordKey
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


def decode_record(data: Buffer, at: RecordKey | None = None) -> Record:
    """The record in `data`; with `at`, proven to be the one that belongs under that key.

    Raises `Corrupt` (`DocumentCorrupt`) and `Invalid` (`FormatUnknown`).
    """
    body = decode_document("record", data)
    try:
        if body["kind"] not in set(RecordKind):
            raise field_unknown("record", f"kind {body['kind']}")
        record = Record(
            kind=RecordKind(body["kind"]),
            path=_path_of(body["path"]),
            incarnation=IncarnationId(identifier(body["incarnation"], HEX_32)),
            revision=number(body["revision"], keys.NUMBER_MAX),
            deleted=bool(body["deleted"]),
            fields=dict(body["fields"]),
        )
        proven("record", record, encode_record, data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise field_corrupt("record", error) from error
    if at is not None and at != (record.path, record.incarnation, record.revision):
        where = keys.record_key(at.path, at.incarnation, at.revision)
        raise field_corrupt("record", ValueError(f"it does not belong under {where}"))
    return record


def _path_of(names: list[str]) -> tuple[str, ...]:
    """The names of a gallery, a definition or a version, if each can stand in a key."""
    if not 3 <= len(names) <= 5 or not all(map(keys.is_name, names)):
        raise ValueError(f"{names} is no path of names")
    return tuple(names)
