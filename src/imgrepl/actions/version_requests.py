"""What a user asks of a version, before anything is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from imgrepl.model.cost_change import CostChange
from imgrepl.model.gallery import (
    HostCaching,
    ImageVersion,
    ReplicationMode,
    SafetyProfile,
    StorageAccountStrategy,
    VersionId,
)
from imgrepl.model.ids import OperationId
from imgrepl.model.phases import Phases
from imgrepl.model.proof import Proof
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import Replica
from imgrepl.model.target_changes import TargetChanges
from imgrepl.model.transfer import Transfer


class TargetRequest(NamedTuple):
    """One item of `--target-regions`; what is None falls back to the version's common value.

    One of `--target-edge-zones` also says which region the zone belongs to.
    """

    name: str
    replica_count: int | None = None
    storage_account_type: StorageAccountType | None = None
    parent: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateVersion:
    """A version to publish. `parents` maps a disk (None is the OS disk) to files for its chain.

    `exclude_from_latest_in` gives target regions an exclusion of their own, which wins over the
    common one. `storage_account_type` and `storage_account_strategy` exclude each other.
    `host_caching` is by LUN, None for the OS disk. `phases`
    say which regions come first.
    """

    id: VersionId
    os_disk: str
    data_disks: Mapping[int, str] = field(default_factory=dict)
    parents: Mapping[int | None, tuple[str, ...]] = field(default_factory=dict)
    location: str | None = None
    target_regions: Sequence[TargetRequest] | None = None
    target_edge_zones: Sequence[TargetRequest] | None = None
    replica_count: int | None = None
    storage_account_type: StorageAccountType | str | None = None
    storage_account_strategy: StorageAccountStrategy | None = None
    host_caching: Mapping[int | None, HostCaching] = field(default_factory=dict)
    replication_mode: ReplicationMode | str = ReplicationMode.FULL
    phases: Phases | None = None
    exclude_from_latest: bool = False
    exclude_from_latest_in: Mapping[str, bool | None] = field(default_factory=dict)
    end_of_life_date: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    create_parents: bool = False
    sha256: bool = False
    ignore_checksum: bool = False
    size_from_geometry: bool = False
    safety: SafetyProfile = field(default_factory=SafetyProfile)


@dataclass(frozen=True, kw_only=True)
class UpdateVersion:
    """Changes to a version's publishing and safety profile; None leaves a field as it is.

    Target regions and edge zones are replaced each for themselves; no edge zones are an empty list.
    In `exclude_from_latest_in` a region's None takes its own exclusion away again;
    `clear_end_of_life` takes away the end of life.
    A shallow version becomes full by `replication_mode`.
    """

    target_regions: Sequence[TargetRequest] | None = None
    target_edge_zones: Sequence[TargetRequest] | None = None
    add_regions: Sequence[TargetRequest] | None = None
    remove_regions: Sequence[str] = ()
    replica_count: int | None = None
    replication_mode: ReplicationMode | str | None = None
    phases: Phases | None = None
    exclude_from_latest: bool | None = None
    exclude_from_latest_in: Mapping[str, bool | None] = field(default_factory=dict)
    end_of_life_date: datetime | None = None
    clear_end_of_life: bool = False
    block_deletion_before_end_of_life: bool | None = None
    allow_deletion_of_replicated_locations: bool | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class VersionView:
    """A version as it stands, and what the call that gives it has moved.

    `operation` is the one that goes on after the call, or ended with it; `explained` says of each
    candidate why it is, or is not, the latest. `phases` are those of a roll-out, done or not.
    `changes` is what an update does to its regions, `cost` what a plan would change in the bill.
    `proofs` says of complete replicas, by region and number, how well all of their packs are proven
    and since when; only a version that is looked at alone has them.
    """

    version: ImageVersion
    replicas: tuple[Replica, ...]
    transfer: Transfer | None = None
    operation: OperationId | None = None
    explained: tuple[str, ...] | None = None
    planned: bool = False
    phases: Phases | None = None
    changes: TargetChanges | None = None
    cost: CostChange | None = None
    proofs: Mapping[tuple[str, int], Proof] = field(default_factory=dict)
