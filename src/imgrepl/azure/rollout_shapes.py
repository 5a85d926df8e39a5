"""Where versions go: edge zones in Azure's words, phases, sources that are pointed at."""

from collections.abc import Iterable
from typing import Any

from imgrepl.azure.times import iso_utc
from imgrepl.model.gallery import ImageVersion, TargetRegion
from imgrepl.model.phases import Phases, states_of
from imgrepl.model.replica import Replica, region_statuses
from imgrepl.model.source_state import SourceState
from imgrepl.model.target_changes import TargetChanges

Json = dict[str, Any]


def publishing_profile(value: ImageVersion) -> Json:
    """Where a version stands and how it is kept, with Azure's fields."""
    strategy = value.storage_account_strategy
    return {
        "targetRegions": [
            {
                "name": target.name,
                "regionalReplicaCount": target.replica_count,
                "storageAccountType": target.storage_account_type.value,
                "excludeFromLatest": target.exclude_from_latest,
                "additionalReplicaSets": [],
                "encryption": None,
            }
            for target in value.target_regions
            if target.parent is None
        ],
        "targetExtendedLocations": [
            _edge_zone(target) for target in value.target_regions if target.parent is not None
        ],
        "replicaCount": value.replica_count,
        "excludeFromLatest": value.exclude_from_latest,
        "publishedDate": value.published_at and iso_utc(value.published_at),
        "endOfLifeDate": value.end_of_life_date and iso_utc(value.end_of_life_date),
        "storageAccountType": None if strategy else value.storage_account_type.value,
        "storageAccountStrategy": strategy and strategy.value,
        "replicationMode": value.replication_mode.value,
    }


def phases(value: Phases, replicas: Iterable[Replica]) -> Json:
    """The phases in their order, and how far each is."""
    states = {status.region: status.state for status in region_statuses(replicas)}
    return {
        "pauseSeconds": value.pause_seconds,
        "groups": [
            {"phase": number, "regions": list(group), "state": state.value}
            for number, (group, state) in enumerate(
                zip(value.groups, states_of(value, states), strict=True), start=1
            )
        ],
    }


def source_state(state: SourceState) -> Json:
    """By what a shallow version knows its source again."""
    return {
        "sizeBytes": state.size_bytes,
        "etag": state.etag,
        "endpoint": state.endpoint_url,
        "inode": state.inode,
        "modifiedNs": state.modified_ns,
        "changedNs": state.changed_ns,
        "sample": state.sample,
    }


def _edge_zone(target: TargetRegion) -> Json:
    """A target that is an edge zone, as one of Azure's `targetExtendedLocations`."""
    return {
        "name": target.parent,
        "extendedLocation": {"name": target.name, "type": "EdgeZone"},
        "extendedLocationReplicaCount": target.replica_count,
        "storageAccountType": target.storage_account_type.value,
        "excludeFromLatest": target.exclude_from_latest,
    }


def changes(value: TargetChanges) -> Json:
    """What an update does to the regions of a version."""
    return {
        "added": [_target(target) for target in value.added],
        "removed": [_target(target) for target in value.removed],
        "counts": [
            {"region": one.region, "from": one.before, "to": one.after} for one in value.counts
        ],
        "copiesBytes": value.copies_bytes,
        "freesBytes": value.frees_bytes,
    }


def _target(target: TargetRegion) -> Json:
    return {
        "name": target.name,
        "regionalReplicaCount": target.replica_count,
        "storageAccountType": target.storage_account_type.value,
    }
