"""Deletes a version: into its gallery's bin, or for good where there is none."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import allowing, erasing, record_spreading, version_bin
from imgrepl.actions.context import Context
from imgrepl.gallery import galleries
from imgrepl.gallery import versions as rows
from imgrepl.model import etags
from imgrepl.model.gallery import ImageVersion, ProvisioningState, VersionId
from imgrepl.model.policy import Action

Recheck = Callable[[Connection, ImageVersion], None]
"""Raises where the reason to delete a version does not hold any more."""


def delete(
    ctx: Context,
    version_id: VersionId,
    *,
    bypass_soft_delete: bool = False,
    if_match: str | None = None,
    recheck: Recheck | None = None,
    dry_run: bool = False,
) -> dict[str, object]:
    """Deletes a version. The bytes that nothing else names are freed by `collect`.

    In a gallery with soft deletion it goes to the bin, unless `bypass_soft_delete`; one that lies
    there already stays as it is. A version that was never committed is gone at once. All
    conditions, `recheck` the last of them, are asked in the transaction that decides. Raises
    `Conflict` (`OperationBusy`, `DeletionBlocked`, `ChangedMeanwhile`), `NotFound`, and what the
    home region's store raises; the same call again goes on.
    """
    allowing.check(ctx, Action.VERSION_DELETE, version_id)
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        ending = version.provisioning_state is ProvisioningState.DELETING
        if version.deletion is not None and not (bypass_soft_delete or ending):
            return _report(version, deleted=not dry_run)
        erasing.check_deletable(ctx, tx, version)
        if recheck is not None:
            recheck(tx, version)
        gallery = galleries.get(tx, version_id.gallery)
        into_bin = gallery.soft_delete_enabled and version.committed
        binned = None
        if into_bin and not (bypass_soft_delete or ending):
            binned = version_bin.put_in(ctx, tx, version, gallery, dry_run=dry_run)
        elif not dry_run:
            rows.mark_deleting(tx, version_id)
    if dry_run:
        return _report(binned or replace(version, deletion=None), deleted=False)
    if binned is not None:
        record_spreading.publish(ctx, binned)
        return _report(binned, deleted=True)
    unreached = erasing.erase(ctx, version, "image-version.delete")
    return _report(replace(version, deletion=None), deleted=True) | {"unreachedRegions": unreached}


def _report(version: ImageVersion, *, deleted: bool) -> dict[str, object]:
    bin_times = version.deletion
    return {
        "version": str(version.id),
        "regions": [target.name for target in version.target_regions],
        "deleted": deleted,
        "softDeleted": bin_times is not None,
        "consumptionEndTime": bin_times and bin_times.consumption_ends_at,
        "hardDeletionTargetTime": bin_times and bin_times.hard_deletion_at,
    }
