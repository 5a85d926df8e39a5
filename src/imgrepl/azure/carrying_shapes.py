"""Exports, imports and moves of whole galleries as JSON."""

from typing import Any

from imgrepl.actions.moving_home import HomeMove
from imgrepl.actions.portable import Carriage, Carried
from imgrepl.azure import shapes
from imgrepl.model.policy import ScopedGrant
from imgrepl.model.sharing import SharingPermission

Json = dict[str, Any]


def carriage(value: Carriage) -> Json:
    """What an export or import did, or would do."""
    versions = [_carried(one) for one in value.versions]
    return {
        "gallery": str(value.gallery),
        "bucket": value.bucket,
        "planned": value.planned,
        "imageDefinitions": value.definitions,
        "imageVersions": len(versions),
        "newVersions": sum(not one.was_there for one in value.versions),
        "sentBytes": sum(one["sentBytes"] for one in versions),
        "serverCopiedBytes": sum(one["serverCopiedBytes"] for one in versions),
        "versions": versions,
        "changed": list(value.changed),
        "onlyThere": [str(version) for version in value.only_there],
        "unread": list(value.unread),
        "rolesNotCarried": [_role(one) for one in value.roles_left],
        "sharingNotCarried": None
        if value.sharing_left is SharingPermission.PRIVATE
        else value.sharing_left.value,
        "leftOut": [{"version": str(version), "reason": why} for version, why in value.left_out],
    }


def _role(one: ScopedGrant) -> Json:
    return {
        "resource": str(one.scope),
        "assignee": str(one.grant.assignee),
        "role": one.grant.role.value,
    }


def _carried(one: Carried) -> Json:
    view = one.view
    found = shapes.version(view)
    moved = view.transfer
    return {
        "version": str(view.version.id),
        "wasThere": one.was_there,
        "state": found["replicationStatus"]["aggregatedState"],
        "pointsAt": [disk.source for disk in view.version.disks if view.version.is_shallow],
        "regions": [target.name for target in view.version.target_regions],
        "occupiedBytes": sum(disk.occupied_bytes or 0 for disk in view.version.disks),
        "sentBytes": 0 if moved is None else moved.sent_bytes,
        "serverCopiedBytes": 0 if moved is None else moved.server_copied_bytes,
    }


def home_move(value: HomeMove) -> Json:
    """What got another home, or would get it."""
    return {
        "gallery": str(value.gallery),
        "from": value.home_before,
        "to": value.home,
        "planned": value.planned,
        "galleries": value.galleries,
        "imageDefinitions": value.definitions,
        "imageVersions": value.versions,
        "tombstones": value.tombstones,
        "left": [{"version": str(version), "reason": why} for version, why in value.left],
        "notTold": [{"region": region, "reason": why} for region, why in value.late],
    }
