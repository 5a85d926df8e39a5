"""The content of a version of another gallery: what an operation keeps of it, and how it comes."""

from collections.abc import Mapping
from typing import Any

from imgrepl.actions.context import Context
from imgrepl.engine import foreign, transplant
from imgrepl.engine.foreign import ForeignVersion
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.lease import Lease
from imgrepl.errors import Conflict
from imgrepl.gallery import versions
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.peer import Peer, PeerBucket, PeerIndex, peer_of_json, peer_to_json
from imgrepl.model.references import version_id_of_json, version_id_to_json
from imgrepl.model.region import Place


def request_json(version_id: VersionId, peer: Peer, source: ImageVersion) -> dict[str, Any]:
    """What a publishing operation keeps of a copy from another gallery."""
    return {
        "version": version_id_to_json(version_id),
        "disks": [],
        "only": None,
        "copied": {
            "peer": peer_to_json(peer),
            "version": version_id_to_json(source.id),
            "incarnation": source.incarnation,
        },
    }


def source_name(peer: Peer, source: VersionId) -> str:
    """What a disk says of where it came from: `URL#GALLERY/NAME/VERSION`."""
    url = peer.url if isinstance(peer, PeerIndex) else peer.standard[0].url
    return f"{url}#{source}"


def bring(
    ctx: Context, lease: Lease, version_id: VersionId, home: Place, copied: Mapping[str, Any]
) -> tuple[IngestCounts, set[tuple[PlaceId, PackId]]]:
    """Brings the content that `request_json` named into `home`, and commits the version.

    Raises `Conflict` (`SourceChanged`) where another version has the source's name by now, and
    what the other gallery raises.
    """
    peer = peer_of_json(copied["peer"])
    with ctx.peers.reading(peer) as other:
        source_id = version_id_of_json(copied["version"])
        with other.index.read() as tx:
            source = versions.get(tx, source_id)
        if source.incarnation != copied["incarnation"]:
            raise Conflict(
                f"{source_id} was deleted and published anew since the copy began",
                code="SourceChanged",
                target=str(source_id),
                hint="run the copy again under another number",
            )
        found = foreign.look(other.engine, source)
        # who may write an index is trusted with what it states, who may write a bucket is not
        from_bucket = isinstance(peer, PeerBucket)
        return transplant.transplant_content(
            ctx.engine, lease, version_id, home, found, prove_sha256=from_bucket
        )


def look(other: Context, source: ImageVersion) -> ForeignVersion:
    """What says where the content is, for a rehearsal."""
    return foreign.look(other.engine, source)
