"""Where things lie in a place: every key, made and read back.

Keys are relative to the place, lower case and ASCII. A number in a key is written without leading
zeros, so that a key and what it means are one to one. Numbers only grow: what was once to be
deleted, or was superseded, is never written again under the same key, and a DELETE that arrives
late hits nothing that is in use.

Every `parse_…` gives None for a key that it would not have made: somebody else's object.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from imgrepl.errors import Invalid
from imgrepl.model.ids import ContentId, IncarnationId, PackId

STORE_KEY = "store.json"
OWNER_KEY = "owner.json"
REGION_KEY = "region.json"
FEATURES_PREFIX = "features/"
PACKS_PREFIX = "packs/"
MANIFESTS_PREFIX = "manifests/"
MOVED_PREFIX = "moved/"
SEALS_PREFIX = "seals/"
RECORDS_PREFIX = "records/"
EXPORTS_PREFIX = "exports/"

NUMBER_MAX = (1 << 31) - 1
"""Of generations and revisions."""

_NUMBER = r"(0|[1-9][0-9]{0,9})"
_DIGEST = r"([0-9a-f]{64})"
_FEATURE = re.compile(r"features/([a-z0-9][a-z0-9-]{0,62})")
_PACK = re.compile(rf"packs/([0-9a-f]{{2}})/{_DIGEST}\.{_NUMBER}")
_MANIFEST = re.compile(rf"manifests/{_DIGEST}\.{_NUMBER}")
_MOVED = re.compile(rf"moved/{_DIGEST}\.{_NUMBER}")
_SEAL = re.compile(rf"seals/{_DIGEST}\.{_NUMBER}")
_EXPORT = re.compile(
    rf"exports/{_DIGEST}/(0|[1-9][0-9]{{0,11}})\.([0-9a-f]{{32}})\.{_DIGEST}\.([a-z0-9][a-z0-9-]{{0,15}})"
)
_RECORD = re.compile(rf"records/((?:[^/]+/){{3,5}})([0-9a-f]{{32}})\.{_NUMBER}\.json")
_NAME = re.compile(r"[a-z0-9_(][a-z0-9._()-]{0,89}(?<!\.)")
_RECORD_FILE = re.compile(r"[0-9a-f]{32}\.[0-9]+\.json")


class PackKey(NamedTuple):
    """The generation counts how often this pack entered deletion in this place."""

    pack_id: PackId
    generation: int


class ManifestKey(NamedTuple):
    """The generation counts how often this manifest entered deletion in this place."""

    content_id: ContentId
    generation: int


class MovedKey(NamedTuple):
    """The highest revision counts."""

    pack_id: PackId
    revision: int


class SealKey(NamedTuple):
    """The highest revision counts."""

    content_id: ContentId
    revision: int


class ExportKey(NamedTuple):
    """A disk as one image file, for links: kept until `until`, in seconds since 1970.

    `nonce` makes the key unguessable and of one use; `sha256` is the file's.
    """

    content_id: ContentId
    until: int
    nonce: str
    sha256: str
    format: str


class RecordKey(NamedTuple):
    """One revision of a gallery (3 names), definition (4) or version (5).

    `path` is subscription, resource group, gallery and, as far as they apply, definition and
    version, folded to lower case. The highest revision of an incarnation counts.
    """

    path: tuple[str, ...]
    incarnation: IncarnationId
    revision: int


def feature_key(name: str) -> str:
    """The mark that a reader must know `name`, or refuse the place."""
    return _made(parse_feature_key, f"{FEATURES_PREFIX}{name}")


def parse_feature_key(key: str) -> str | None:
    """The feature that `key` marks."""
    match = _FEATURE.fullmatch(key)
    return match[1] if match else None


def pack_key(pack_id: PackId, generation: int) -> str:
    """Where generation `generation` of a pack lies."""
    return _made(parse_pack_key, f"{pack_prefix(pack_id)}{generation}")


def pack_prefix(pack_id: PackId) -> str:
    """What the keys of all generations of a pack begin with."""
    return f"{PACKS_PREFIX}{pack_id[:2]}/{pack_id}."


def parse_pack_key(key: str) -> PackKey | None:
    """Opposite of `pack_key`."""
    match = _PACK.fullmatch(key)
    if match is None or match[1] != match[2][:2] or int(match[3]) > NUMBER_MAX:
        return None
    return PackKey(PackId(match[2]), int(match[3]))


def manifest_key(content_id: ContentId, generation: int) -> str:
    """Where generation `generation` of a disk's manifest lies."""
    return _made(parse_manifest_key, f"{manifest_prefix(content_id)}{generation}")


def manifest_prefix(content_id: ContentId) -> str:
    """What the keys of all generations of a manifest begin with."""
    return f"{MANIFESTS_PREFIX}{content_id}."


def parse_manifest_key(key: str) -> ManifestKey | None:
    """Opposite of `manifest_key`."""
    parts = _digest_and_number(_MANIFEST, key)
    return ManifestKey(ContentId(parts[0]), parts[1]) if parts else None


def moved_key(pack_id: PackId, revision: int) -> str:
    """Where revision `revision` of what became of a pack lies."""
    return _made(parse_moved_key, f"{moved_prefix(pack_id)}{revision}")


def moved_prefix(pack_id: PackId) -> str:
    """What the keys of all revisions of what became of a pack begin with."""
    return f"{MOVED_PREFIX}{pack_id}."


def parse_moved_key(key: str) -> MovedKey | None:
    """Opposite of `moved_key`."""
    parts = _digest_and_number(_MOVED, key)
    return MovedKey(PackId(parts[0]), parts[1]) if parts else None


def seal_key(content_id: ContentId, revision: int) -> str:
    """Where revision `revision` of a disk's seal lies."""
    return _made(parse_seal_key, f"{seal_prefix(content_id)}{revision}")


def seal_prefix(content_id: ContentId) -> str:
    """What the keys of all revisions of a seal begin with."""
    return f"{SEALS_PREFIX}{content_id}."


def parse_seal_key(key: str) -> SealKey | None:
    """Opposite of `seal_key`."""
    parts = _digest_and_number(_SEAL, key)
    return SealKey(ContentId(parts[0]), parts[1]) if parts else None


def export_key(export: ExportKey) -> str:
    """Where an image file for links lies."""
    name = f"{export.until}.{export.nonce}.{export.sha256}.{export.format}"
    return _made(parse_export_key, f"{export_prefix(export.content_id)}{name}")


def export_prefix(content_id: ContentId) -> str:
    """What the keys of all image files of a disk begin with."""
    return f"{EXPORTS_PREFIX}{content_id}/"


def parse_export_key(key: str) -> ExportKey | None:
    """Opposite of `export_key`."""
    match = _EXPORT.fullmatch(key)
    if match is None:
        return None
    return ExportKey(ContentId(match[1]), int(match[2]), match[3], match[4], match[5])


def record_key(path: tuple[str, ...], incarnation: IncarnationId, revision: int) -> str:
    """Where a record lies. `path` as in `RecordKey`, in any case of letters.

    Raises `Invalid` (`InvalidName`) for a name that cannot stand in a key.
    """
    return _made(parse_record_key, f"{record_prefix(path)}{incarnation}.{revision}.json")


def record_prefix(path: tuple[str, ...]) -> str:
    """What the keys of all records at `path` (0 to 5 names) and below begin with."""
    return "/".join([RECORDS_PREFIX.rstrip("/"), *map(_folded, path), ""])


def parse_record_key(key: str) -> RecordKey | None:
    """Opposite of `record_key`; the names are in lower case."""
    match = _RECORD.fullmatch(key)
    if match is None or int(match[3]) > NUMBER_MAX:
        return None
    path = tuple(match[1].rstrip("/").split("/"))
    if not all(map(is_name, path)):
        return None
    return RecordKey(path, IncarnationId(match[2]), int(match[3]))


def _folded(name: str) -> str:
    """`name` in lower case, proven to stay in its folder."""
    folded = name.lower()
    if not (name.isascii() and is_name(folded)):
        raise Invalid(
            f"{name!r} cannot stand in a key: 1 to 90 ASCII letters, digits and ._()-, the first"
            " no dot or dash, the last no dot, and no name that a record's file has",
            code="InvalidName",
            target=name,
        )
    return folded


def is_name(name: str) -> bool:
    """Whether a folded name can stand in a record's key."""
    return bool(_NAME.fullmatch(name)) and not _RECORD_FILE.fullmatch(name)


def _digest_and_number(pattern: re.Pattern[str], key: str) -> tuple[str, int] | None:
    match = pattern.fullmatch(key)
    if match is None or int(match[2]) > NUMBER_MAX:
        return None
    return match[1], int(match[2])


def _made(parse: Callable[[str], object], key: str) -> str:
    assert parse(key) is not None, f"{key!r} is no key of its kind"
    return key
