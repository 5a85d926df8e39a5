"""Resources as the JSON of a record, and back.

Every field, so that an index can be rebuilt from records alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from imgrepl.model.gallery import (
    Architecture,
    Gallery,
    GalleryId,
    HostCaching,
    HyperVGeneration,
    ImageDefinition,
    ImageIdentifier,
    ImageVersion,
    OsState,
    OsType,
    ProvisioningState,
    PurchasePlan,
    Range,
    ReplicationMode,
    SafetyProfile,
    SoftDeletion,
    StorageAccountStrategy,
    TargetRegion,
    VersionDisk,
    VersionName,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.region import StorageAccountType
from imgrepl.model.sharing import (
    PRIVATE,
    grants_of_json,
    grants_to_json,
    profile_of_json,
    profile_to_json,
)
from imgrepl.model.source_state import SourceState

Fields = dict[str, Any]

_NOT_FIELDS = {"id", "incarnation", "revision", "committed", "provisioning_state"}
_ABSENT: Fields = {
    "deletion": None,
    "soft_delete_grace_days": 0,
    "grants": (),
    "sharing": PRIVATE,
    "features_start_at": {},
    "allow_update_image": False,
    "storage_account_strategy": None,
    "host_caching": None,
    "source_state": None,
    "parent": None,
}
"""Fields that came later, by the value at which a record says nothing of them.

Records that were written before are the same as those of today, and old programs read them.
"""
_CODED: Mapping[str, Callable[[Any], Any]] = {
    "grants": grants_to_json,
    "sharing": profile_to_json,
}

_LATER = {"source_state", "parent"}
"""The same, of what a resource consists of: said only where it is set."""


def fields_of(resource: Gallery | ImageDefinition | ImageVersion) -> Fields:
    """All of a resource but what the record says of it elsewhere.

    Its names, incarnation and revision.
    """
    said = _said(resource)
    return {name: value for name, value in said.items() if name not in _NOT_FIELDS} | {
        "names": _names(resource)
    }


def _said(value: Any) -> Fields:  # noqa: ANN401 - any dataclass
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: _CODED.get(name, _plain)(item)
        for name, item in found.items()
        if name not in _ABSENT or item != _ABSENT[name]
    }


def _names(resource: Gallery | ImageDefinition | ImageVersion) -> list[str]:
    """The names as they were typed: keys are folded to lower case."""
    match resource:
        case Gallery():
            return [resource.id.subscription, resource.id.group, resource.id.gallery]
        case ImageDefinition():
            gallery = resource.id.gallery
            return [gallery.subscription, gallery.group, gallery.gallery, resource.id.definition]
        case ImageVersion():
            gallery, definition = resource.id.gallery, resource.id.definition.definition
            names = [gallery.subscription, gallery.group, gallery.gallery, definition]
            return [*names, str(resource.id.version)]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field's value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, SourceState):
        return value.as_json()
    if is_dataclass(value) and not isinstance(value, type):
        return _said(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, VersionName):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def gallery_of(value: Fields, incarnation: IncarnationId, revision: int) -> Gallery:
    """A gallery from its record's fields."""
    values = _without_names(value)
    return Gallery(
        id=_gallery_id(value),
        incarnation=incarnation,
        revision=revision,
        **values
        | {
            "created_at": _moment(values["created_at"]),
            "sharing": profile_of_json(values["sharing"]) if "sharing" in values else PRIVATE,
            "grants": grants_of_json(values.get("grants", ())),
        },
    )


def definition_of(value: Fields, incarnation: IncarnationId, revision: int) -> ImageDefinition:
    """An image definition from its record's fields."""
    values = _without_names(value)
    plan = values["purchase_plan"]
    return ImageDefinition(
        id=_gallery_id(value).definition(value["names"][3]),
        incarnation=incarnation,
        revision=revision,
        **values
        | {
            "identifier": ImageIdentifier(*values["identifier"]),
            "os_type": OsType(values["os_type"]),
            "os_state": OsState(values["os_state"]),
            "hyper_v_generation": HyperVGeneration(values["hyper_v_generation"]),
            "architecture": Architecture(values["architecture"]),
            "features_start_at": {
                name: VersionName.parse(text)
                for name, text in values.get("features_start_at", {}).items()
            },
            "recommended_vcpus": Range(*values["recommended_vcpus"]),
            "recommended_memory": Range(*values["recommended_memory"]),
            "disallowed_disk_types": tuple(values["disallowed_disk_types"]),
            "end_of_life_date": _moment(values["end_of_life_date"]),
            "purchase_plan": PurchasePlan(*plan) if plan else None,
            "created_at": _moment(values["created_at"]),
            "grants": grants_of_json(values.get("grants", ())),
        },
    )


def version_of(value: Fields, incarnation: IncarnationId, revision: int) -> ImageVersion:
    """A committed image version from its record's fields."""
    values = _without_names(value)
    definition = _gallery_id(value).definition(value["names"][3])
    return ImageVersion(
        id=definition.version(VersionName.parse(value["names"][4])),
        incarnation=incarnation,
        revision=revision,
        committed=True,
        provisioning_state=ProvisioningState.SUCCEEDED,
        **values
        | {
            "target_regions": tuple(_target(target) for target in values["target_regions"]),
            "storage_account_type": StorageAccountType(values["storage_account_type"]),
            "disks": tuple(_disk(disk) for disk in values["disks"]),
            "end_of_life_date": _moment(values["end_of_life_date"]),
            "published_at": _moment(values["published_at"]),
            "replication_mode": ReplicationMode(values["replication_mode"]),
            "safety": SafetyProfile(**values["safety"]),
            "storage_account_strategy": _strategy(values.get("storage_account_strategy")),
            "deletion": _deletion(values.get("deletion")),
            "grants": grants_of_json(values.get("grants", ())),
        },
    )


def _disk(value: Fields) -> VersionDisk:
    caching = value.get("host_caching")
    known = None if caching is None else HostCaching(caching)
    state = value.get("source_state")
    pointed_at = state and SourceState.from_json(state)
    return VersionDisk(**value | {"host_caching": known, "source_state": pointed_at})


def _strategy(value: str | None) -> StorageAccountStrategy | None:
    return None if value is None else StorageAccountStrategy(value)


def _deletion(value: Fields | None) -> SoftDeletion | None:
    if value is None:
        return None
    moments = {
        name: datetime.fromisoformat(value[name])
        for name in ("deleted_at", "consumption_ends_at", "hard_deletion_at")
    }
    return SoftDeletion(**value | moments)


def _target(value: Fields) -> TargetRegion:
    kind = StorageAccountType(value["storage_account_type"])
    return TargetRegion(**value | {"storage_account_type": kind})


def _without_names(value: Fields) -> Fields:
    return {key: item for key, item in value.items() if key != "names"}


def _gallery_id(value: Fields) -> GalleryId:
    subscription, group, gallery = value["names"][:3]
    return GalleryId(subscription=subscription, group=group, gallery=gallery)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
