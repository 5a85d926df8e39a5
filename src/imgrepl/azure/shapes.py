"""The model as JSON, with Azure's field names, flattened as `az sig` prints it.

Times are ISO 8601 in UTC, sizes bytes; what Azure has no field for stands under `imgrepl`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from imgrepl.actions.limits_used import LimitUse
from imgrepl.actions.usage import Usage, UsageReport
from imgrepl.actions.version_requests import VersionView
from imgrepl.azure import (
    cost_shapes,
    resource_ids,
    rollout_shapes,
    sharing_shapes,
    status_shapes,
)
from imgrepl.azure.resource_ids import GALLERY_TYPE
from imgrepl.azure.times import iso_utc
from imgrepl.gallery.activity import ActivityEntry
from imgrepl.model.etags import etag_of
from imgrepl.model.gallery import (
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
    Range,
    SoftDeletion,
    VersionDisk,
)
from imgrepl.model.operation import Operation
from imgrepl.model.proof import Proof
from imgrepl.model.region import Endpoint, Region, StorageAccountType
from imgrepl.model.replica import Replica
from imgrepl.model.transfer import Transfer

Json = dict[str, Any]
_GIB = 1 << 30


def gallery(value: Gallery, *, sharing_status: Json | None = None) -> Json:
    """A gallery as `az sig show` prints it."""
    return {
        "id": resource_ids.gallery_id(value.id),
        "name": value.id.gallery,
        "type": GALLERY_TYPE,
        "resourceGroup": value.id.group,
        "location": value.location,
        "tags": dict(value.tags),
        "description": value.description,
        "identifier": {"uniqueName": value.id.unique_name},
        "provisioningState": value.provisioning_state.value,
        "softDeletePolicy": {
            "isSoftDeleteEnabled": value.soft_delete_enabled,
            "retentionPeriodInDays": value.soft_delete_retention_days,
            "gracePeriodInDays": value.soft_delete_grace_days,
        },
        "sharingProfile": sharing_shapes.profile(value.sharing),
        "sharingStatus": sharing_status,
        "identity": None,
        "etag": etag_of(value),
    }


def definition(value: ImageDefinition) -> Json:
    """An image definition as `az sig image-definition show` prints it."""
    plan = value.purchase_plan
    return {
        "id": resource_ids.definition_id(value.id),
        "name": value.id.definition,
        "type": f"{GALLERY_TYPE}/images",
        "resourceGroup": value.id.gallery.group,
        "location": value.location,
        "tags": dict(value.tags),
        "identifier": value.identifier._asdict(),
        "osType": value.os_type.value,
        "osState": value.os_state.value,
        "hyperVGeneration": value.hyper_v_generation.value,
        "architecture": value.architecture.value,
        "features": [_feature(value, name) for name in value.features],
        "allowUpdateImage": value.allow_update_image,
        "recommended": {
            "vCPUs": _range(value.recommended_vcpus),
            "memory": _range(value.recommended_memory),
        },
        "disallowed": {"diskTypes": list(value.disallowed_disk_types)},
        "description": value.description,
        "endOfLifeDate": time(value.end_of_life_date),
        "releaseNoteUri": value.release_note_uri,
        "eula": value.eula,
        "privacyStatementUri": value.privacy_statement_uri,
        "purchasePlan": None if plan is None else plan._asdict(),
        "provisioningState": value.provisioning_state.value,
        "etag": etag_of(value),
        "imgrepl": {"gallery": str(value.id.gallery)},
    }


def _feature(value: ImageDefinition, name: str) -> Json:
    """A feature; from which version on only where not all have it."""
    found = {"name": name, "value": value.features[name]}
    start = value.features_start_at.get(name)
    return found if start is None else found | {"startsAtVersion": str(start)}


def version(view: VersionView) -> Json:
    """A version as `az sig image-version show --expand ReplicationStatus`, and ours beside it."""
    value = view.version
    return {
        "id": resource_ids.version_id(value.id),
        "name": str(value.id.version),
        "type": f"{GALLERY_TYPE}/images/versions",
        "resourceGroup": value.id.gallery.group,
        "location": value.location,
        "tags": dict(value.tags),
        "provisioningState": value.provisioning_state.value,
        "publishingProfile": rollout_shapes.publishing_profile(value),
        "storageProfile": _storage_profile(value),
        "safetyProfile": {
            "allowDeletionOfReplicatedLocations": (
                value.safety.allow_deletion_of_replicated_locations
            ),
            "blockDeletionBeforeEndOfLife": value.safety.block_deletion_before_end_of_life,
        },
        "securityProfile": None,
        "replicationStatus": status_shapes.replication_status(view.replicas),
        "validationsProfile": status_shapes.validations_profile(view),
        "etag": etag_of(value),
        "imgrepl": _ours(view),
    }


def _storage_profile(value: ImageVersion) -> Json:
    os_disk = next((disk for disk in value.disks if disk.lun is None), None)
    made_of = None if os_disk is None else resource_ids.id_of_source(os_disk.source)
    return {
        "source": None if made_of is None else {"id": made_of},
        "osDiskImage": None if os_disk is None else _disk_image(os_disk),
        "dataDiskImages": [
            {"lun": disk.lun, **_disk_image(disk)} for disk in value.disks if disk.lun is not None
        ],
    }


def _disk_image(disk: VersionDisk) -> Json:
    size = disk.provisioned_bytes
    return {
        "sizeInGB": None if size is None else -(-size // _GIB),
        "hostCaching": disk.host_caching and disk.host_caching.value,
        "source": {"uri": disk.source},
    }


def _ours(view: VersionView) -> Json:
    value = view.version
    found: Json = {
        "gallery": str(value.id.gallery),
        "imageDefinition": value.id.definition.definition,
        "committed": value.committed,
        "imageState": "Active" if value.deletion is None else "SoftDeleted",
        "softDelete": None if value.deletion is None else _bin_times(value.deletion),
        "disks": [_disk(disk) for disk in value.disks],
        "replicas": replicas_of(view),
        "transfer": None if view.transfer is None else transfer(view.transfer),
        "operation": view.operation,
    }
    if view.planned:
        found["planned"] = True
    if view.changes is not None:
        found["changes"] = rollout_shapes.changes(view.changes)
    if view.phases is not None:
        found["phases"] = rollout_shapes.phases(view.phases, view.replicas)
    if view.cost is not None:
        found["cost"] = cost_shapes.change(view.cost)
    if view.explained is not None:
        found["explained"] = list(view.explained)
    return found


def soft_deleted(view: VersionView) -> Json:
    """A version in the bin, as Azure's list of soft-deleted artifacts has it, and ours beside."""
    value = view.version
    assert value.deletion is not None, f"{value.id} is not in the bin"
    return {
        "name": str(value.id.version),
        "resourceGroup": value.id.gallery.group,
        "location": value.location,
        "resourceArmId": resource_ids.version_id(value.id),
        "softDeletedArtifactType": "Images",
        **_bin_times(value.deletion),
        "etag": etag_of(value),
        "imgrepl": _ours(view),
    }


def _bin_times(deletion: SoftDeletion) -> Json:
    return {
        "softDeletedTime": time(deletion.deleted_at),
        "consumptionEndTime": time(deletion.consumption_ends_at),
        "hardDeletionTargetTime": time(deletion.hard_deletion_at),
    }


def _disk(disk: VersionDisk) -> Json:
    return {
        "lun": disk.lun,
        "format": disk.format,
        "provisionedBytes": disk.provisioned_bytes,
        "occupiedBytes": disk.occupied_bytes,
        "storedBytes": disk.stored_bytes,
        "contentId": disk.content_id,
        "chunks": disk.chunks,
        "sha256": disk.sha256,
        "sourceState": None
        if disk.source_state is None
        else rollout_shapes.source_state(disk.source_state),
    }


def replicas_of(view: VersionView) -> list[Json]:
    """The replicas of a version, each with what is proven of it."""
    return [_replica(one, view.proofs.get((one.region, one.number))) for one in view.replicas]


def _replica(replica: Replica, proof: Proof | None) -> Json:
    return {
        "region": replica.region,
        "replica": replica.number,
        "state": replica.state.value,
        "storageAccountType": replica.storage_account_type.value,
        "verifiedAt": time(replica.verified_at),
        "proof": proof and {"level": proof.level.word, "at": time(proof.at)},
        "bytesDone": replica.bytes_done,
        "bytesTotal": replica.bytes_total,
        "details": replica.detail,
    }


def transfer(value: Transfer) -> Json:
    """What an operation moved."""
    return {
        "readBytes": value.read_bytes,
        "occupiedBytes": value.occupied_bytes,
        "newBytes": value.new_bytes,
        "sentBytes": value.sent_bytes,
        "serverCopiedBytes": value.server_copied_bytes,
        "deduplicatedBytes": value.deduplicated_bytes,
        "packsWritten": value.packs_written,
        "puts": value.puts,
        "seconds": round(value.seconds, 3),
        "regions": [
            {
                "region": part.region,
                "sentBytes": part.sent_bytes,
                "serverCopiedBytes": part.server_copied_bytes,
                "receivedBytes": part.received_bytes,
                "puts": part.puts,
                "seconds": round(part.seconds, 3),
            }
            for part in value.regions
        ],
    }


def operation(value: Operation) -> Json:
    """An operation; its owner only while somebody is at it."""
    owner = value.owner
    return {
        "id": value.id,
        "kind": value.kind.value,
        "target": value.target,
        "state": value.state.value,
        "owner": None if owner is None else {"host": owner.host, "pid": owner.pid},
        "leaseUntil": time(value.lease_until),
        "cancelRequested": value.cancel_requested,
        "createdAt": time(value.created_at),
        "updatedAt": time(value.updated_at),
        "endedAt": time(value.ended_at),
        "progress": value.progress,
        "result": value.result,
        "error": value.error,
    }


def region(value: Region) -> Json:
    """A region and what it offers; credentials by reference only."""
    return {
        "name": value.name,
        "displayName": value.display_name,
        "url": value.standard[0].url,
        "endpoint": value.standard[0].endpoint_url,
        "storageAccountTypes": [kind.value for kind in StorageAccountType if value.offers(kind)],
        "parent": value.parent,
        "standard": [_endpoint(endpoint) for endpoint in value.standard],
        "zones": [_endpoint(endpoint) for endpoint in value.zones],
        "premium": None if value.premium is None else _endpoint(value.premium),
        "etag": etag_of(value),
    }


def _endpoint(value: Endpoint) -> Json:
    return {
        "url": value.url,
        "endpoint": value.endpoint_url,
        "profile": value.profile,
        "credentialsFile": value.credentials_file,
        "credentialsEnv": value.credentials_env,
        "signingRegion": value.signing_region,
        "addressing": value.addressing,
        "caFile": value.ca_file,
        "storageClass": value.storage_class,
    }


def usage(report: UsageReport) -> Json:
    """Usage by gallery, definition, version and region, and in total."""
    regions = report.version_regions
    return {
        "galleries": [
            {**_gallery_names(key), **_usage(value)} for key, value in report.galleries.items()
        ],
        "definitions": [
            {**_gallery_names(key.gallery), "definition": key.definition, **_usage(value)}
            for key, value in report.definitions.items()
        ],
        "versions": [
            {
                **_gallery_names(key.gallery),
                "definition": key.definition.definition,
                "version": str(key.version),
                **_usage(value),
                "regions": [{"region": name, **_usage(at)} for name, at in regions[key].items()],
            }
            for key, value in report.versions.items()
        ],
        "regions": [{"region": key, **_usage(value)} for key, value in report.regions.items()],
        "total": _usage(report.total),
        "limits": [_limit(use) for use in report.limits],
    }


def _limit(use: LimitUse) -> Json:
    """As `az vm list-usage` names them, and what is left."""
    return {
        "name": use.name,
        "subscription": use.scope and use.scope.subscription,
        "region": use.scope and use.scope.region,
        "currentValue": use.used,
        "limit": use.limit,
        "left": use.left,
        "unit": use.unit,
    }


def _gallery_names(value: GalleryId) -> Json:
    return {
        "subscription": value.subscription,
        "resourceGroup": value.group,
        "gallery": value.gallery,
    }


def _usage(value: Usage) -> Json:
    return {
        "provisionedBytes": value.provisioned_bytes,
        "occupiedBytes": value.occupied_bytes,
        "billedBytes": value.billed_bytes,
        "storedBytes": value.stored_bytes,
        "replicas": value.replicas,
    }


def activity(entry: ActivityEntry) -> Json:
    """One line of the activity log."""
    return {
        "at": time(entry.at),
        "principal": entry.principal,
        "action": entry.action,
        "target": entry.target,
        "outcome": entry.outcome,
        "detail": dict(entry.detail),
    }


def time(value: datetime | None) -> str | None:
    """A moment as ISO 8601 in UTC, ending in Z as Azure's do."""
    return None if value is None else iso_utc(value)


def _range(value: Range) -> Mapping[str, int | None]:
    return {"min": value.minimum, "max": value.maximum}
