"""Values for tests of the index: valid, small, changed by keyword."""

import hashlib
import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from imgrepl.gallery import (
    contents,
    definitions,
    galleries,
    operations,
    packs,
    places,
    regions,
    replicas,
    versions,
)
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageIdentifier,
    ImageVersion,
    OsType,
    TargetRegion,
    VersionDisk,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import ContentId, IncarnationId, OperationId, PackId, PlaceId
from imgrepl.model.manifest import Manifest, PackUse
from imgrepl.model.operation import OperationKind
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Endpoint, Place, PlaceRole, Region, StorageAccountType
from imgrepl.model.replica import Replica

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GALLERY = GalleryId(gallery="golden")
DEFINITION = GALLERY.definition("debian")
VERSION = DEFINITION.version(VersionName(1, 0, 0))
LRS = StorageAccountType.STANDARD_LRS
PUT = Proof(ProofLevel.PUT_CHECKSUM, NOON)
_count = itertools.count()


def incarnation() -> IncarnationId:
    return IncarnationId(uuid.uuid4().hex)


def pack_id(name: str) -> PackId:
    return PackId(hashlib.sha256(name.encode()).hexdigest())


def content_id(name: str) -> ContentId:
    return ContentId(hashlib.sha256(b"content " + name.encode()).hexdigest())


def region(name: str = "eastus", **fields: Any) -> Region:
    standard = (Endpoint(url=f"file:///srv/{name}"),)
    made = Region(name=name, display_name=name.title(), standard=standard)
    return replace(made, **fields)


def gallery(name: str = "golden", **fields: Any) -> Gallery:
    made = Gallery(
        id=GalleryId(gallery=name),
        incarnation=incarnation(),
        revision=1,
        location="eastus",
        tags={"team": "images"},
        created_at=NOON,
    )
    return replace(made, **fields)


def definition(name: str = "debian", of: GalleryId = GALLERY, **fields: Any) -> ImageDefinition:
    made = ImageDefinition(
        id=of.definition(name),
        incarnation=incarnation(),
        revision=1,
        location="eastus",
        identifier=ImageIdentifier("contoso", name, "standard"),
        os_type=OsType.LINUX,
    )
    return replace(made, **fields)


def target(name: str = "eastus", replica_count: int = 1, **fields: Any) -> TargetRegion:
    made = TargetRegion(name=name, replica_count=replica_count, storage_account_type=LRS)
    return replace(made, **fields)


def disk(content: str | None = None, lun: int | None = None) -> VersionDisk:
    found = None if content is None else content_id(content)
    return VersionDisk(lun=lun, source="/images/debian.vhd", content_id=found)


def version(
    number: str = "1.0.0", of: DefinitionId = DEFINITION, content: str | None = None, **fields: Any
) -> ImageVersion:
    made = ImageVersion(
        id=of.version(VersionName.parse(number)),
        incarnation=incarnation(),
        revision=1,
        location="eastus",
        target_regions=(target(),),
        replica_count=1,
        storage_account_type=LRS,
        disks=(disk(content),),
    )
    return replace(made, **fields)


def manifest(content: str, *pack_names: str) -> Manifest:
    uses = tuple(PackUse(pack_id(name), 1000, 600) for name in pack_names)
    return Manifest(
        content_id=content_id(content),
        size_bytes=1 << 30,
        occupied_bytes=1 << 20,
        chunks=32,
        packs=uses,
        runs=(),
    )


def operation(tx: Connection, target: str = "golden/debian/1.0.0") -> OperationId:
    """A new pending operation."""
    operation_id = OperationId(f"op-{next(_count):06}")
    operations.create(
        tx, operation_id=operation_id, kind=OperationKind.PUBLISH, target=target, request={}
    )
    return operation_id


def hierarchy(tx: Connection) -> None:
    """Region, gallery and definition."""
    regions.add(tx, region())
    galleries.create(tx, gallery())
    definitions.create(tx, definition())


def place(tx: Connection, name: str = "eastus", number: int = 0) -> Place:
    """A standard place of a region, which is added where it is missing."""
    if name not in {known.name for known in regions.list_all(tx)}:
        regions.add(tx, region(name))
    return places.ensure(tx, regions.get(tx, name), PlaceRole.STANDARD, number)


def stored(tx: Connection, place_id: PlaceId, *names: str) -> None:
    """Packs that are present in a place and pinned by nobody."""
    operation_id = operation(tx)
    for name in names:
        packs.intend(tx, operation_id, place_id, pack_id(name), 1000)
        packs.confirm(tx, place_id, pack_id(name), PUT)
    packs.release_pins(tx, operation_id)


def published(
    tx: Connection,
    number: str,
    content: str,
    *pack_names: str,
    regions_of: tuple[str, ...] = ("eastus",),
) -> VersionId:
    """A committed version with one planned replica in each region."""
    contents.add(tx, manifest(content, *pack_names), 0)
    targets = tuple(target(name) for name in regions_of)
    made = version(number, content=content, target_regions=targets)
    versions.stage(tx, made, operation(tx))
    versions.commit(tx, made.id, NOON, 2)
    wanted = [Replica(region=name, number=0, storage_account_type=LRS) for name in regions_of]
    replicas.plan(tx, made.id, wanted)
    return made.id
