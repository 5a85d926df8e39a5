"""Records that somebody else wrote, all the way into a gallery index."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection

from fuzz.store_targets import RECORDS, mended_document, read_record, stored
from fuzz.target import Seed, Target
from images.sparse import SparseBytes
from imgrepl.clock import SystemClock
from imgrepl.engine.region_records import Resource
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound
from imgrepl.gallery import definitions, galleries, replicas, versions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion
from imgrepl.model.replica import replicas_of


class _Undone(Exception):
    """Ends a transaction that nobody wants to keep."""


class AdoptingIndex:
    """An index that has a gallery and a definition, and stays as it is."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="imgrepl-fuzz-")
        url = f"sqlite:///{Path(self._folder.name) / 'index.db'}"
        self._index = GalleryIndex.open(url, clock=SystemClock())
        with self._index.begin() as tx:
            for content in _records():
                resource = read_record(content)
                if not isinstance(resource, ImageVersion):
                    adopt(tx, resource)  # type: ignore[arg-type]

    def read(self, image: SparseBytes) -> str:
        """What became of a record that is adopted, as `index rebuild` does it."""
        try:
            resource = read_record(image.to_bytes())
            with suppress(_Undone), self._undone() as tx:
                adopt(tx, resource)  # type: ignore[arg-type]
        except (Conflict, Corrupt, Invalid, NotFound) as error:
            return error.code
        return "adopted"

    @contextmanager
    def _undone(self) -> Iterator[Connection]:
        with self._index.begin() as tx:
            yield tx
            raise _Undone


def adopt(tx: Connection, resource: Resource) -> None:
    """Makes it a row, and replicas where it is to stand."""
    match resource:
        case Gallery():
            galleries.adopt(tx, resource)
            galleries.get(tx, resource.id)
        case ImageDefinition():
            definitions.adopt(tx, resource)
            definitions.get(tx, resource.id)
        case ImageVersion():
            versions.adopt(tx, resource)
            wanted = replicas_of(versions.get(tx, resource.id).target_regions)
            replicas.plan(tx, resource.id, wanted)


def _records() -> list[bytes]:
    """Of today's schema, parents first, none of them a tombstone."""
    bodies = [(json.loads(one)["body"], one) for one in stored(RECORDS, "*.json")]
    found = {body["kind"]: one for body, one in bodies if not body["deleted"]}
    return [found[kind] for kind in ("gallery", "imageDefinition", "imageVersion")]


def index_target() -> Target:
    """Slow beside the others, so it comes seldom."""
    seeds = [
        Seed(
            name=f"record {number}",
            content=SparseBytes.of(content),
            mend=lambda image: SparseBytes.of(mended_document(image.to_bytes())),
        )
        for number, content in enumerate(_records())
    ]
    index: list[AdoptingIndex] = []

    def read(image: SparseBytes) -> str:
        if not index:
            index.append(AdoptingIndex())
        return index[0].read(image)

    return Target(name="adopted record", seeds=seeds, read=read, weight=2)
