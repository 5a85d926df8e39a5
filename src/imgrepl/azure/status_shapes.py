"""How far a version is, and what was checked of it, in Azure's words."""

from typing import Any

from imgrepl.actions.version_requests import VersionView
from imgrepl.azure.times import iso_utc
from imgrepl.model.replica import Replica, ReplicaState, aggregated_state, region_statuses

Json = dict[str, Any]


def replication_status(replicas: tuple[Replica, ...]) -> Json:
    """As az shows it with `--expand ReplicationStatus`."""
    statuses = region_statuses(replicas)
    return {
        "aggregatedState": aggregated_state(statuses).value,
        "summary": [
            {
                "region": status.region,
                "state": status.state.value,
                "progress": status.progress,
                "details": status.details,
            }
            for status in statuses
        ],
    }


def validations_profile(view: VersionView) -> Json:
    """The checks of its disk images, which come before its first byte, and of its replicas."""
    return {
        "executedValidations": [_disk_images(view), _replicas(view)],
        "platformAttributes": [],
        "validationEtag": None,
    }


def _disk_images(view: VersionView) -> Json:
    version = view.version
    at = version.published_at
    return {
        "type": "DiskImages",
        "status": "Succeeded" if version.committed else "Unknown",
        "version": None,
        "executionTime": at and iso_utc(at),
    }


def _replicas(view: VersionView) -> Json:
    """Proven all: the moment is that of the proof that is longest ago."""
    states = {replica.state for replica in view.replicas}
    proofs = [view.proofs.get((one.region, one.number)) for one in view.replicas]
    moments = [proof.at for proof in proofs if proof is not None]
    if ReplicaState.FAILED in states:
        status = "Failed"
    elif states == {ReplicaState.COMPLETED} and len(moments) == len(proofs):
        status = "Succeeded"
    else:
        status = "Unknown"
    return {
        "type": "Replicas",
        "status": status,
        "version": None,
        "executionTime": iso_utc(min(moments)) if moments else None,
    }
