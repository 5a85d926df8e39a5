"""What an update does to a version's regions, said before it is done and after."""

from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.gallery import replica_bytes
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.target_changes import TargetChanges, between, replicas_between


def changes(tx: Connection, before: ImageVersion, after: ImageVersion) -> TargetChanges:
    """Regions and counts that differ, with what that copies and frees, by the rows."""
    found = between(before.target_regions, after.target_regions)
    come, go = replicas_between(before.target_regions, after.target_regions)
    copied = sum(replica_bytes.lacking_bytes(tx, before, one) for one in come)
    return replace(
        found,
        copies_bytes=None if before.is_shallow else copied,
        frees_bytes=sum(replica_bytes.own_bytes(tx, before, one) for one in go),
    )
