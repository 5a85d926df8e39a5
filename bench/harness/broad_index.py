"""A gallery index as large as Azure's limits allow: rows only, nothing lies in any bucket.

100 galleries, 1,000 image definitions and 10,000 versions by default, each version in ten regions.
A version names a pack of its own and three that its definition's versions share; every region has
all of them, and the ledger says when each version came into each region. Rows are inserted in bulk:
through the gallery's own functions it takes minutes.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import places, regions, schema
from imgrepl.model.gallery import GalleryId
from imgrepl.model.proof import ProofLevel
from imgrepl.model.region import Endpoint, PlaceRole, Region

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHARED_PACKS = 3
_BATCH_ROWS = 20_000
_LRS = "Standard_LRS"
PACK_BYTES = 16 << 20
OCCUPIED_BYTES = 10 << 30


class Size(NamedTuple):
    """How many there are of each."""

    galleries: int = 100
    definitions: int = 1_000
    versions: int = 10_000
    regions: int = 10


LONG = GalleryId(gallery="g0").definition("d0")
"""The definition that has many versions: every hundredth of all."""

SHORT = GalleryId(gallery="g1").definition("d1")


def region_names(size: Size) -> list[str]:
    """The names of the regions."""
    return [f"region{k}" for k in range(size.regions)]


def fill(tx: Connection, size: Size, folder: Path) -> None:
    """Fills an empty index; its regions are folders below `folder`, which are not made."""
    names = region_names(size)
    place_ids = []
    for name in names:
        endpoint = Endpoint(url=f"file://{folder}/{name}")
        region = Region(name=name, display_name=name, standard=(endpoint,))
        regions.add(tx, region)
        place_ids.append(places.ensure(tx, region, PlaceRole.STANDARD, 0).id)
    _insert(tx, schema.galleries, _galleries(size, names[0]))
    _insert(tx, schema.definitions, _definitions(size, names[0]))
    _insert(tx, schema.versions, _versions(size, names[0]))
    numbers = range(1, size.versions + 1)
    _insert(tx, schema.version_targets, _targets(numbers, names))
    _insert(tx, schema.replicas, _replicas(numbers, names))
    _insert(tx, schema.version_disks, _disks(numbers))
    _insert(tx, schema.contents, _contents(numbers))
    packs = sorted(packs_of_all(size))
    _insert(tx, schema.packs, ({"pack_id": pack, "pack_bytes": PACK_BYTES} for pack in packs))
    _insert(tx, schema.content_packs, _content_packs(numbers, size))
    _insert(tx, schema.place_packs, _place_packs(place_ids, packs))
    _insert(tx, schema.ledger, _ledger(numbers, names, size))


def packs_of_all(size: Size) -> set[str]:
    """The ids of all packs; every region has each of them."""
    return {pack for number in range(1, size.versions + 1) for pack in _packs_of(number, size)}


def _insert(tx: Connection, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            tx.execute(sa.insert(table), batch)
            batch = []
    if batch:
        tx.execute(sa.insert(table), batch)


def _resource(number: int, location: str) -> dict[str, Any]:
    return {
        "id": number,
        "incarnation": uuid.uuid4().hex,
        "revision": 1,
        "next_revision": 2,
        "location": location,
        "tags": {},
        "provisioning_state": "Succeeded",
    }


def _galleries(size: Size, location: str) -> Iterator[dict[str, Any]]:
    for k in range(size.galleries):
        yield _resource(k + 1, location) | {
            "subscription": "default",
            "subscription_key": "default",
            "group_name": "default",
            "group_key": "default",
            "name": f"g{k}",
            "name_key": f"g{k}",
            "soft_delete_enabled": False,
            "soft_delete_retention_days": 7,
        }


def _definitions(size: Size, location: str) -> Iterator[dict[str, Any]]:
    for k in range(size.definitions):
        yield _resource(k + 1, location) | {
            "gallery_id": k % size.galleries + 1,
            "name": f"d{k}",
            "name_key": f"d{k}",
            "publisher": "bench",
            "offer": f"d{k}",
            "sku": "standard",
            "identifier_key": f"bench/d{k}/standard",
            "os_type": "Linux",
            "os_state": "Generalized",
            "hyper_v_generation": "V2",
            "architecture": "x64",
            "features": {},
            "recommended_vcpus": [None, None],
            "recommended_memory": [None, None],
            "disallowed_disk_types": [],
        }


def _definition_of(number: int, size: Size) -> int:
    """Every hundredth version is of the first definition, the others go round."""
    return 1 if number % 100 == 0 else number % size.definitions + 1


def _versions(size: Size, location: str) -> Iterator[dict[str, Any]]:
    for number in range(1, size.versions + 1):
        yield _resource(number, location) | {
            "definition_id": _definition_of(number, size),
            "major": 1,
            "minor": number // 100,
            "patch": number % 100,
            "replica_count": 1,
            "storage_account_type": _LRS,
            "committed": True,
            "exclude_from_latest": False,
            "published_at": _NOW,
            "replication_mode": "Full",
            "safety": {
                "allow_deletion_of_replicated_locations": True,
                "block_deletion_before_end_of_life": False,
            },
        }


def _targets(numbers: range, names: list[str]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        for position, name in enumerate(names):
            yield {
                "version_id": number,
                "region": name,
                "position": position,
                "replica_count": 1,
                "storage_account_type": _LRS,
            }


def _replicas(numbers: range, names: list[str]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        for name in names:
            yield {
                "version_id": number,
                "region": name,
                "number": 0,
                "storage_account_type": _LRS,
                "state": "Completed",
                "bytes_done": 0,
                "detail": "",
                "proof_level": ProofLevel.PUT_CHECKSUM,
                "verified_at": _NOW,
            }


def _ledger(numbers: range, names: list[str], size: Size) -> Iterator[dict[str, Any]]:
    """Each version came into each region once, in one of twelve months."""
    for number in numbers:
        definition = _definition_of(number, size) - 1
        for position, name in enumerate(names):
            yield {
                "at": _NOW.replace(month=number % 12 + 1, day=number % 28 + 1, minute=position),
                "subscription": "default",
                "group_name": "default",
                "gallery": f"g{definition % size.galleries}",
                "definition": f"d{definition}",
                "version": f"1.{number // 100}.{number % 100}",
                "from_region": names[0],
                "to_region": name,
                "is_first": True,
                "egress_bytes": OCCUPIED_BYTES if position else 0,
                "sent_bytes": PACK_BYTES,
                "requests": 3,
            }


def _disks(numbers: range) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "version_id": number,
            "position": 0,
            "source": "/images/debian.vhd",
            "format": "vhd",
            "provisioned_bytes": 127 << 30,
            "occupied_bytes": OCCUPIED_BYTES,
            "stored_bytes": PACK_BYTES,
            "content_id": f"{number:064x}",
            "chunks": 1,
        }


def _contents(numbers: range) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "content_id": f"{number:064x}",
            "size_bytes": 127 << 30,
            "occupied_bytes": OCCUPIED_BYTES,
            "stored_bytes": PACK_BYTES,
            "chunks": 1,
            "generation": 0,
            "removed": False,
        }


def _packs_of(number: int, size: Size) -> list[str]:
    shared = [f"{1:02x}{_definition_of(number, size):060x}{k:02x}" for k in range(_SHARED_PACKS)]
    return [*shared, f"{2:02x}{number:062x}"]


def _content_packs(numbers: range, size: Size) -> Iterator[dict[str, Any]]:
    for number in numbers:
        for pack in _packs_of(number, size):
            yield {
                "content_id": f"{number:064x}",
                "pack_id": pack,
                "used_bytes": PACK_BYTES,
            }


def _place_packs(place_ids: Iterable[int], packs: list[str]) -> Iterator[dict[str, Any]]:
    for place_id in place_ids:
        for pack in packs:
            yield {
                "place_id": place_id,
                "pack_id": pack,
                "generation": 0,
                "state": "present",
                "proof_level": ProofLevel.PUT_CHECKSUM,
                "proof_at": _NOW,
                "changed_at": _NOW,
            }
