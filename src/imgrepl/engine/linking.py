"""Disks as image files in a bucket, for signed links: made once, reused, freed in time.

What there is is known from the keys alone: a rebuilt index finds it, and so does a collection.
"""

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from imgrepl.disks.writers.writer import open_writer
from imgrepl.engine import exporter, places
from imgrepl.engine.context import Engine
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, ImgreplError, Unavailable
from imgrepl.layout import keys
from imgrepl.layout.keys import ExportKey
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest
from imgrepl.model.region import Place
from imgrepl.store.protocols import Links, Lists

PART_BYTES_MIN = 16 << 20
PARTS_MAX = 9_000
"""An upload holds one part in memory: 16 MiB, of files above 140 GiB a 9,000th of the file."""

UNFINISHED_KEPT = timedelta(days=1)
_VHD_CREATED_SECONDS = 946_684_800  # the first moment that a VHD can state: the same every time


@dataclass(frozen=True, kw_only=True)
class Export:
    """An image file in a place."""

    key: ExportKey
    size_bytes: int


def requests_of(size_bytes: int) -> int:
    """How many requests write a file of this length: one, or its parts with a start and an end."""
    if size_bytes <= PART_BYTES_MIN:
        return 1
    return -(-size_bytes // _part_bytes(size_bytes)) + 2


def list_exports(store: Lists, content_id: ContentId | None = None) -> list[Export]:
    """The image files of a place, or of one disk there; those that are kept longest first."""
    prefix = keys.EXPORTS_PREFIX if content_id is None else keys.export_prefix(content_id)
    found = ((keys.parse_export_key(info.key), info.size_bytes) for info in store.list(prefix))
    exports = [Export(key=key, size_bytes=size) for key, size in found if key is not None]
    return sorted(exports, key=lambda one: -one.key.until)


@dataclass(frozen=True)
class Image:
    """A disk, from where it is read, and the format of its file."""

    manifest: Manifest
    sources: tuple[Place, ...]
    format: str


def make(
    engine: Engine,
    place: Place,
    links: Links,
    image: Image,
    *,
    until: int,
    scratch: Path,
    progress: Callable[[int], None],
) -> Export:
    """Writes a disk to a file in `scratch`, every chunk proven, and that file to the place.

    `scratch` must take the image's occupied bytes; nothing stays there. Raises as `export_disk`,
    and what the local disk and the place's store raise.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{image.manifest.content_id}.{image.format}"
    try:
        _write(engine, image, path, progress)
        key = ExportKey(
            content_id=image.manifest.content_id,
            until=until,
            nonce=uuid.uuid4().hex,
            sha256=_sha256(engine, path),
            format=image.format,
        )
        _upload(engine, place, links, path, keys.export_key(key))
        return Export(key=key, size_bytes=path.stat().st_size)
    finally:
        path.unlink(missing_ok=True)


def free(
    engine: Engine,
    place: Place,
    links: Links,
    needed_of: Callable[[Collection[Export]], set[ContentId]],
    *,
    dry_run: bool,
) -> list[Export]:
    """Deletes the image files whose time is over, or whose content is not among those needed.

    Uploads that nobody finished within a day go as well. Raises what the store raises.
    """
    now = engine.clock.now()
    standing = list_exports(engine.stores.of(place))
    needed = needed_of(standing)
    over = [
        one
        for one in standing
        if one.key.until <= now.timestamp() or one.key.content_id not in needed
    ]
    if not dry_run:
        delete(engine, place, over)
        for upload in links.unfinished(keys.EXPORTS_PREFIX):
            if upload.begun_at < now - UNFINISHED_KEPT:
                links.give_up(upload.key, upload.upload_id)
    return over


def delete(engine: Engine, place: Place, exports: Sequence[Export]) -> None:
    """Deletes image files: links to them are dead. Raises `Unavailable` (`DeletionFailed`)."""
    if not exports:
        return
    store = engine.stores.of(place)
    places.check_owner(store, place, engine.index.identity, may_claim=False)
    failures = store.delete([keys.export_key(one.key) for one in exports])
    if failures:
        raise Unavailable(
            f"{len(failures)} image files of {place.name} could not be deleted",
            code="DeletionFailed",
            target=place.name,
            details=[f"{failure.key}: {failure.reason}" for failure in failures[:20]],
            hint="run the same command again: it goes on with them",
        )


def _write(engine: Engine, image: Image, path: Path, progress: Callable[[int], None]) -> None:
    writer = open_writer(
        path,
        image.format,
        image.manifest.size_bytes,
        identity=bytes.fromhex(image.manifest.content_id)[:16],
        created_seconds=_VHD_CREATED_SECONDS,
        overwrite=True,
    )
    try:
        exporter.export_disk(engine, image.manifest, image.sources, writer, progress)
        writer.finish()
    except BaseException:
        writer.abort()
        raise


def _sha256(engine: Engine, path: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(engine, path, PART_BYTES_MIN):
        digest.update(piece)
    return digest.hexdigest()


def _upload(engine: Engine, place: Place, links: Links, path: Path, key: str) -> None:
    size_bytes = path.stat().st_size
    store = engine.stores.of(place)
    if size_bytes <= PART_BYTES_MIN:
        store.put(key, path.read_bytes(), if_absent=True)
        return
    upload_id = links.begin(key)
    try:
        etags = [
            links.put_part(key, upload_id, number, piece)
            for number, piece in enumerate(_pieces(engine, path, _part_bytes(size_bytes)), start=1)
        ]
        links.finish(key, upload_id, etags)
    except BaseException:
        _give_up(links, key, upload_id)
        raise
    found = store.head(key).size_bytes
    if found != size_bytes:
        raise Corrupt(
            f"{place.name} made {found} bytes of the {size_bytes} that were sent",
            code="ExportDamaged",
            target=key,
            hint="the same command again makes the image file anew",
        )


def _part_bytes(size_bytes: int) -> int:
    return max(PART_BYTES_MIN, -(-size_bytes // PARTS_MAX))


def _give_up(links: Links, key: str, upload_id: str) -> None:
    try:
        links.give_up(key, upload_id)
    except ImgreplError:
        return  # `collect` frees what nobody finished


def _pieces(engine: Engine, path: Path, piece_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(piece_bytes):
            check_stop(engine.stop)
            yield piece
