"""Sharing as JSON: Azure's sharing profile, and who reaches what by which way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imgrepl.azure import resource_ids
from imgrepl.azure.times import iso_utc
from imgrepl.model.gallery import DefinitionId, Gallery, GalleryId
from imgrepl.model.policy import Decision, scope_name
from imgrepl.model.sharing import (
    CommunityInfo,
    ConsumerKind,
    Invitation,
    SharingProfile,
    SharingState,
)

if TYPE_CHECKING:  # shapes are loaded by every command, these by few
    from imgrepl.actions.granting import Access
    from imgrepl.actions.links import Link, LinkedFile
    from imgrepl.actions.sharing_status import RegionSharing

Json = dict[str, Any]


def profile(value: SharingProfile) -> Json:
    """`sharingProfile` of a gallery; whom it is shared with only for those inside."""
    return {
        "permissions": value.permissions.value,
        "groups": [
            {
                "type": kind.value,
                "ids": [one.consumer for one in value.invitations if one.kind is kind],
            }
            for kind in ConsumerKind
            if any(one.kind is kind for one in value.invitations)
        ],
        "communityGalleryInfo": None if value.community is None else _community(value.community),
    }


def _community(value: CommunityInfo) -> Json:
    return {
        "publisherUri": value.publisher_uri,
        "publisherContact": value.publisher_contact,
        "eula": value.eula,
        "publicNamePrefix": value.public_name_prefix,
        "communityGalleryEnabled": value.enabled,
        "publicNames": [value.public_name],
    }


def status(told: "Sequence[RegionSharing]") -> Json | None:
    """`sharingStatus` of a gallery; None for a private one. The state of all is the worst."""
    if not told:
        return None
    return {
        "aggregatedState": SharingState.worst(one.state for one in told).value,
        "summary": [
            {"region": one.region, "state": one.state.value, "details": one.details} for one in told
        ],
    }


def shared_gallery(value: Gallery) -> Json:
    """A gallery as those see it whom it is shared with directly."""
    name = value.id.unique_name
    return {
        "name": name,
        "uniqueId": f"/SharedGalleries/{name}",
        "location": value.location,
        "description": value.description,
    }


def community_gallery(value: Gallery) -> Json:
    """A gallery as everybody sees it."""
    info = value.sharing.community
    assert info is not None, f"{value.id} is no community gallery"
    return {
        "name": info.public_name,
        "uniqueId": f"/CommunityGalleries/{info.public_name}",
        "location": value.location,
        "description": value.description,
        "communityMetadata": {
            "publisherUri": info.publisher_uri,
            "publisherContact": info.publisher_contact,
            "eula": info.eula,
            "publicNames": [info.public_name],
        },
    }


def access(value: "Access") -> Json:
    """One way to a resource."""
    return {
        **_resource(value.scope),
        "how": value.how.value,
        "who": value.who,
        "role": value.role,
        "state": value.state.value,
        "knownAs": value.known_as,
        "by": value.by,
        "at": None if value.at is None else iso_utc(value.at),
    }


def _resource(scope: object) -> Json:
    if isinstance(scope, GalleryId):
        kind, arm_id = "gallery", resource_ids.gallery_id(scope)
    elif isinstance(scope, DefinitionId):
        kind, arm_id = "imageDefinition", resource_ids.definition_id(scope)
    else:
        kind, arm_id = "imageVersion", resource_ids.version_id(scope)  # type: ignore[arg-type]
    return {"resource": str(scope), "resourceType": kind, "id": arm_id}


def invitation(gallery: Gallery, one: Invitation) -> Json:
    """A direct share, as the invited see it."""
    return {
        "gallery": gallery.id.unique_name,
        "location": gallery.location,
        "type": one.kind.value,
        "consumer": one.consumer,
        "state": one.state.value,
        "invitedBy": one.invited_by,
        "invitedAt": iso_utc(one.invited_at),
        "answeredBy": one.answered_by,
        "answeredAt": None if one.answered_at is None else iso_utc(one.answered_at),
    }


def link(value: "Link") -> Json:
    """A signed address, and the image file that it leads to."""
    return {
        "url": value.url,
        "expiresAt": iso_utc(value.expires_at),
        "version": str(value.version),
        "lun": value.lun,
        "region": value.region,
        "format": value.format,
        "provisionedBytes": value.provisioned_bytes,
        "fileBytes": value.file_bytes,
        "sha256": value.sha256,
        "reused": value.reused,
        "keptUntil": iso_utc(value.kept_until),
    }


def linked_file(value: "LinkedFile") -> Json:
    """An image file that links may lead to."""
    key = value.export.key
    return {
        "region": value.region,
        "lun": value.lun,
        "format": key.format,
        "fileBytes": value.export.size_bytes,
        "sha256": key.sha256,
        "keptUntil": iso_utc(datetime.fromtimestamp(key.until, UTC)),
    }


def decision(value: Decision) -> Json:
    """What the policy says, and why."""
    return {
        "principal": str(value.caller),
        "resource": scope_name(value.scope),
        "action": value.action.value,
        "allowed": value.allowed,
        "via": value.via,
        "role": value.role,
        "grantedOn": None if value.granted_on is None else str(value.granted_on),
        "reasons": list(value.reasons),
        "rolesNeeded": [role.value for role in value.roles_needed],
        "grantors": list(value.grantors),
    }
