"""What readers find damaged on their way, mended where that is allowed.

A reader is served from another place at once; this is what happens afterwards to the place that
failed it. What cannot be written, or need not be, is left as it is and said.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from imgrepl.engine.context import Engine
from imgrepl.engine.fetching import BadRead
from imgrepl.engine.lease import Lease
from imgrepl.engine.pack_reading import pack_key
from imgrepl.engine.repairer import mend
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.unreadable import read_whole
from imgrepl.engine.verifier import Fault
from imgrepl.errors import Conflict, Corrupt, ImgreplError, Interrupted, NotFound
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place


class Outcome(StrEnum):
    """What became of a bad read."""

    MENDED = "mended"
    """The object was written again, from another place."""
    TRANSIENT = "transient"
    """Read again, the object is whole: it was damaged on its way."""
    UNNEEDED = "unneeded"
    """No version that stands there needs the object: `collect` removes it."""
    LEFT = "left"
    """It stays as it is, marked where the index may be written; `detail` says why."""


class Healed(NamedTuple):
    """One damaged object and its outcome; `is_lost` says that no place gives all of it."""

    fault: Fault
    outcome: Outcome
    detail: str = ""
    is_lost: bool = False


def faults_of(engine: Engine, bad: Iterable[BadRead]) -> list[Fault]:
    """The objects that are to be looked after, each once; packs before manifests (F-3).

    What a place is not known to have is none: a reader may ask for what lies elsewhere.
    """
    faults: dict[tuple[int, str], Fault] = {}
    for one in bad:
        key = _key(engine, one)
        if key is not None:
            faults[one.place.id, key] = Fault(one.place, key, one.pack_id, one.reason)
    return sorted(faults.values(), key=lambda fault: fault.pack_id is None)


def heal(
    engine: Engine, lease: Lease, version: ImageVersion, faults: Sequence[Fault]
) -> list[Healed]:
    """Looks again at each object and mends it where it still is not what it should be.

    Raises `Interrupted` alone: whatever else fails, fails for one object.
    """
    return [_heal(engine, lease, version, fault) for fault in faults]


def _heal(engine: Engine, lease: Lease, version: ImageVersion, fault: Fault) -> Healed:
    check_stop(engine.stop)
    try:
        if _is_whole(engine, fault):
            return Healed(fault, Outcome.TRANSIENT)
        _check_order(engine, fault)
        mend(engine, lease, version, fault)
    except Interrupted:
        raise
    except ImgreplError as error:
        is_lost = isinstance(error, Corrupt | NotFound)
        return Healed(fault, Outcome.LEFT, f"{error.code}: {error.message}", is_lost)
    return Healed(fault, Outcome.MENDED)


def _check_order(engine: Engine, fault: Fault) -> None:
    """All packs before the manifest (F-3), also of a place that had it before."""
    manifest = keys.parse_manifest_key(fault.key)
    if manifest is None:
        return
    with engine.index.read() as tx:
        lacking = moved.lacking(tx, fault.place.id, [manifest.content_id])
    if lacking:
        raise Conflict(
            f"{fault.place.name} lacks {len(lacking)} packs that the manifest names",
            code="PacksNotLive",
            target=manifest.content_id,
        )


def _key(engine: Engine, bad: BadRead) -> str | None:
    if bad.pack_id is None:
        assert bad.content_id is not None
        return _manifest_key(engine, bad.place, bad.content_id)
    row = _row(engine, bad)
    return None if row is None else pack_key(row)


def _manifest_key(engine: Engine, place: Place, content_id: ContentId) -> str | None:
    with engine.index.read() as tx:
        row = contents.get(tx, content_id)
        is_whole = content_id in contents.sealed_in(tx, place.id, [content_id])
    return keys.manifest_key(content_id, row.generation) if row is not None and is_whole else None


def _row(engine: Engine, bad: BadRead | Fault) -> PlacePack | None:
    if bad.pack_id is None:
        return None
    with engine.index.read() as tx:
        return packs.live_in(tx, bad.place.id, [bad.pack_id]).get(bad.pack_id)


def _is_whole(engine: Engine, fault: Fault) -> bool:
    """Whether the object is what it should be after all; a pack that is counts as healthy again."""
    try:
        body = read_whole(engine, fault.place, fault.key)
        manifest = keys.parse_manifest_key(fault.key)
        if manifest is not None:
            decode_manifest(body, manifest.content_id)
            return True
    except (Corrupt, NotFound):
        return False
    row = _row(engine, fault)
    if row is None or hashlib.sha256(body).hexdigest() != fault.pack_id:
        return False
    proof = Proof(ProofLevel.FULL_READ, engine.clock.now())
    with suppress(Conflict), engine.index.begin() as tx:
        packs.confirm(tx, fault.place.id, row.pack_id, proof)
    return True
