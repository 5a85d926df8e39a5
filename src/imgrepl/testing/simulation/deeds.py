"""What users of a simulated world do: every action of versions, with what it promises them."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgrepl.actions import (
    collecting,
    creating,
    downloads,
    following,
    operations,
    updating,
    verifying,
)
from imgrepl.actions import version_deleting as deleting
from imgrepl.actions.context import Context
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.version_requests import (
    CreateVersion,
    TargetRequest,
    UpdateVersion,
    VersionView,
)
from imgrepl.model.gallery import VersionId
from imgrepl.testing.simulation.promises import Disks, Promises
from imgrepl.testing.simulation.shelf import Shelf


class WrongBytes(AssertionError):
    """A download gave what nobody published."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One thing that a user does. `name` is the version's; `what` tells it in the trace."""

    what: str
    name: str
    act: Callable[[Context], object]
    asked: Callable[[Promises], None] = lambda _: None
    answered: Callable[[Promises], None] = lambda _: None
    deletes: bool = False
    publishes: bool = False


class Deeds:
    """Every deed, of what it is told to be done to. `promises` tells what was published so far."""

    def __init__(self, shelf: Shelf, promises: Promises) -> None:
        self._shelf = shelf
        self._promises = promises

    def publish(
        self, version_id: VersionId, disks: Disks, targets: Sequence[TargetRequest]
    ) -> Deed:
        """Publishes these disks under this name."""
        request = CreateVersion(
            id=version_id,
            os_disk=str(self._shelf.path(disks[0])),
            data_disks={lun: str(self._shelf.path(d)) for lun, d in enumerate(disks[1:])},
            location=targets[0].name,
            target_regions=targets,
            create_parents=True,
        )
        return _publishing(request, disks, f"publish {version_id} {disks} to {shown(targets)}")

    def publish_again(
        self, version_id: VersionId, source: VersionId, targets: Sequence[TargetRequest]
    ) -> Deed | None:
        """A version of another version's content; None where nothing was published there."""
        kept = self._promises.get(str(source)).kept
        if kept is None or source == version_id:
            return None
        request = CreateVersion(
            id=version_id,
            os_disk=f"imgrepl:{source}",
            location=targets[0].name,
            target_regions=targets,
        )
        return _publishing(request, kept, f"publish {version_id} from {source} to {shown(targets)}")

    def update(self, version_id: VersionId, request: UpdateVersion) -> Deed:
        """Other regions, another count, other tags."""
        changes = ", ".join(
            f"{n}={shown(v)}" for n, v in vars(request).items() if v not in (None, ())
        )
        return Deed(
            what=f"update {version_id}: {changes}",
            name=str(version_id),
            act=lambda ctx: updating.update(ctx, version_id, request),
        )

    def delete(self, version_id: VersionId) -> Deed:
        """Deletes a version."""
        name = str(version_id)
        return Deed(
            what=f"delete {name}",
            name=name,
            act=lambda ctx: deleting.delete(ctx, version_id),
            asked=lambda promises: promises.asks_to_delete(name),
            answered=lambda promises: promises.is_deleted(name),
            deletes=True,
        )

    def retry(self, version_id: VersionId, region: str | None = None) -> Deed:
        """Goes on where a version stands, all of it or in one region."""
        return Deed(
            what=f"retry {version_id} in {region or 'all regions'}",
            name=str(version_id),
            act=lambda ctx: following.retry(ctx, version_id, region=region),
        )

    def verify(self, version_id: VersionId, *, deep: bool) -> Deed:
        """Verifies a version, by the servers' word or deeply."""
        return Deed(
            what=f"verify {version_id}{' deep' if deep else ''}",
            name=str(version_id),
            act=lambda ctx: verifying.verify(ctx, version_id, deep=deep),
        )

    def repair(self, version_id: VersionId) -> Deed:
        """Mends a version."""
        return Deed(
            what=f"repair {version_id}",
            name=str(version_id),
            act=lambda ctx: verifying.repair(ctx, version_id),
        )

    def download(self, version_id: VersionId, region: str | None = None) -> Deed:
        """Downloads the OS disk from some region, and looks at every byte."""
        return Deed(
            what=f"download {version_id} from {region or 'anywhere'}",
            name=str(version_id),
            act=lambda ctx: self.check_download(ctx, version_id, region),
        )

    def check_download(self, ctx: Context, version_id: VersionId, region: str | None) -> None:
        """Raises `WrongBytes` when a download succeeds and gives another disk."""
        target = ctx.state_dir / f"{uuid.uuid4().hex}.out"
        request = DownloadRequest(
            definition=version_id.definition,
            name=str(version_id.version),
            file=str(target),
            region=region,
        )
        try:
            downloads.download(ctx, request)
            content = target.read_bytes()
        finally:
            target.unlink(missing_ok=True)
        promise = self._promises.get(str(version_id))
        found = self._shelf.name_of(content)
        allowed = {disks[0] for disks in promise.asked} | {(promise.kept or ("",))[0]}
        if found is None or found not in allowed:
            raise WrongBytes(f"{version_id} gave {found or 'nothing known'}, not {allowed}")

    def checksum(self, version_id: VersionId) -> Deed:
        """The guest's digest, streamed."""
        return Deed(
            what=f"checksum {version_id}",
            name=str(version_id),
            act=lambda ctx: downloads.checksum(ctx, version_id, None),
        )

    def cancel(self, share: float = 0.0) -> Deed:
        """Ends an operation that has not ended: the first, or the one at this share of them."""

        def act(ctx: Context) -> None:
            unended = [one for one in operations.list_all(ctx) if not one.state.ended]
            if unended:
                operations.cancel(ctx, unended[int(share * len(unended))].id)

        return Deed(what="cancel an operation", name="", act=act)

    def collect(self, grace_seconds: float = 0.0, *, compacts: bool = False) -> Deed:
        """Removes what nothing names, at once or later; compacting, it packs anew what is left."""

        def act(ctx: Context) -> None:
            collecting.collect(ctx, dry_run=False, grace_seconds=grace_seconds, compacts=compacts)

        what = f"collect, grace {grace_seconds:.0f} s{', compacting' if compacts else ''}"
        return Deed(what=what, name="", act=act)


def _publishing(request: CreateVersion, disks: Disks, what: str) -> Deed:
    name = str(request.id)

    def act(ctx: Context) -> VersionView:
        return creating.create(ctx, request)

    return Deed(
        what=what,
        name=name,
        act=act,
        asked=lambda promises: promises.asks_to_publish(name, disks),
        answered=lambda promises: promises.is_published(name, disks),
        publishes=True,
    )


def shown(value: object) -> str:
    """Targets as on a command line; other values as they are."""
    if isinstance(value, list):
        return " ".join(map(shown, value))
    if isinstance(value, TargetRequest):
        kind = "" if value.storage_account_type is None else f"={value.storage_account_type}"
        return f"{value.name}={value.replica_count}{kind.lower()}"
    return str(value)
