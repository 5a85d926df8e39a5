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
from imgrepl.model.gallery import GalleryId, VersionId, VersionName
from imgrepl.model.region import StorageAccountType
from imgrepl.testing.simulation.promises import Disks, Promises
from imgrepl.testing.simulation.scheduler import Roll, pick
from imgrepl.testing.simulation.shelf import NAMES, Shelf

GALLERY = GalleryId(gallery="golden")
DEFINITIONS = (GALLERY.definition("debian"), GALLERY.definition("windows"))
NUMBERS = ("1.0.0", "1.0.1", "1.1.0")
REGION_NAMES = ("eastus", "westeurope", "southeastasia")
_TYPES = {
    "eastus": (StorageAccountType.STANDARD_LRS,),
    "westeurope": (StorageAccountType.STANDARD_LRS,),
    "southeastasia": tuple(StorageAccountType),
}


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


class Workload:
    """Deeds, rolled. `promises` tells what was published so far."""

    def __init__(self, roll: Roll, shelf: Shelf, promises: Promises) -> None:
        self._roll = roll
        self._shelf = shelf
        self._promises = promises
        self._deeds: Sequence[tuple[int, Callable[[], Deed]]] = (
            (30, self.publish),
            (4, self.publish_from_version),
            (14, self.update),
            (10, self.delete),
            (12, self.retry),
            (6, self.verify),
            (6, self.repair),
            (8, self.download),
            (3, self.checksum),
            (3, self.cancel),
            (8, self.collect),
        )

    def next(self) -> Deed:
        """One deed, by its weight; the first ones publish."""
        if len(self._promises.of) < 2:
            return self.publish()
        total = sum(weight for weight, _ in self._deeds)
        left = int(self._roll() * total)
        for weight, make in self._deeds:
            left -= weight
            if left < 0:
                return make()
        raise AssertionError("the weights add up")

    # ------------------------------------------------------------------ deeds

    def publish(self) -> Deed:
        """A version of one disk or two, to some regions; often one that is there or was."""
        version_id = self._any_version() if self._roll() < 0.4 else self._new_version()
        disks = self._some_disks()
        promise = self._promises.get(str(version_id))
        if promise.asked and self._roll() < 0.8:
            disks = promise.kept or pick(self._roll, sorted(promise.asked))
        return self.publish_of(version_id, disks, self._some_targets())

    def publish_of(
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
        return self._publishing(request, disks, f"publish {version_id} {disks} to {shown(targets)}")

    def publish_from_version(self) -> Deed:
        """A version of another version's content."""
        source, target = self._any_version(), self._any_version()
        kept = self._promises.get(str(source)).kept
        if kept is None or source == target:
            return self.publish()
        targets = self._some_targets()
        reference = f"imgrepl:{source}"
        request = CreateVersion(
            id=target, os_disk=reference, location=targets[0].name, target_regions=targets
        )
        return self._publishing(
            request, kept, f"publish {target} from {source} to {shown(targets)}"
        )

    def _publishing(self, request: CreateVersion, disks: Disks, what: str) -> Deed:
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

    def update(self) -> Deed:
        """Other regions, or another count."""
        version_id = self._any_version()
        request = pick(
            self._roll,
            (
                UpdateVersion(target_regions=self._some_targets()),
                UpdateVersion(add_regions=[self._target(pick(self._roll, REGION_NAMES))]),
                UpdateVersion(remove_regions=[pick(self._roll, REGION_NAMES)]),
                UpdateVersion(replica_count=1 + int(self._roll() * 2)),
                UpdateVersion(tags={"tag": str(int(self._roll() * 100))}),
            ),
        )
        changes = ", ".join(
            f"{n}={shown(v)}" for n, v in vars(request).items() if v not in (None, ())
        )
        return Deed(
            what=f"update {version_id}: {changes}",
            name=str(version_id),
            act=lambda ctx: updating.update(ctx, version_id, request),
        )

    def delete(self) -> Deed:
        """Deletes a version."""
        return self.delete_of(self._any_version())

    def delete_of(self, version_id: VersionId) -> Deed:
        """Deletes this version."""
        name = str(version_id)
        return Deed(
            what=f"delete {name}",
            name=name,
            act=lambda ctx: deleting.delete(ctx, version_id),
            asked=lambda promises: promises.asks_to_delete(name),
            answered=lambda promises: promises.is_deleted(name),
            deletes=True,
        )

    def retry(self) -> Deed:
        """Goes on where a version stands, all of it or in one region."""
        version_id = self._any_version()
        region = pick(self._roll, REGION_NAMES) if self._roll() < 0.3 else None
        return Deed(
            what=f"retry {version_id} in {region or 'all regions'}",
            name=str(version_id),
            act=lambda ctx: following.retry(ctx, version_id, region=region),
        )

    def verify(self) -> Deed:
        """Verifies a version, by the servers' word or deeply."""
        version_id, deep = self._any_version(), self._roll() < 0.5
        return Deed(
            what=f"verify {version_id}{' deep' if deep else ''}",
            name=str(version_id),
            act=lambda ctx: verifying.verify(ctx, version_id, deep=deep),
        )

    def repair(self) -> Deed:
        """Mends a version."""
        version_id = self._any_version()
        return Deed(
            what=f"repair {version_id}",
            name=str(version_id),
            act=lambda ctx: verifying.repair(ctx, version_id),
        )

    def download(self) -> Deed:
        """Downloads the OS disk from some region, and looks at every byte."""
        version_id, region = self._any_version(), pick(self._roll, (*REGION_NAMES, None))
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

    def checksum(self) -> Deed:
        """The guest's digest, streamed."""
        version_id = self._any_version()
        return Deed(
            what=f"checksum {version_id}",
            name=str(version_id),
            act=lambda ctx: downloads.checksum(ctx, version_id, None),
        )

    def cancel(self) -> Deed:
        """Ends an operation that has not ended."""
        number = self._roll()

        def act(ctx: Context) -> None:
            unended = [one for one in operations.list_all(ctx) if not one.state.ended]
            if unended:
                operations.cancel(ctx, unended[int(number * len(unended))].id)

        return Deed(what="cancel an operation", name="", act=act)

    def collect(self) -> Deed:
        """Removes what nothing names, at once or later; sometimes packs anew what is left."""
        grace, compacts = pick(self._roll, (0.0, 0.0, 600.0)), self._roll() < 0.5

        def act(ctx: Context) -> None:
            collecting.collect(ctx, dry_run=False, grace_seconds=grace, compacts=compacts)

        what = f"collect, grace {grace:.0f} s{', compacting' if compacts else ''}"
        return Deed(what=what, name="", act=act)

    # ------------------------------------------------------------------ what is rolled

    def _any_version(self) -> VersionId:
        """One that somebody asked for, most of the time."""
        known = sorted(name for name, promise in self._promises.of.items() if promise.asked)
        if known and self._roll() < 0.85:
            definition_name, number = pick(self._roll, known).rsplit("/", 1)
            for definition in DEFINITIONS:
                if str(definition) == definition_name:
                    return definition.version(VersionName.parse(number))
        return self._new_version()

    def _new_version(self) -> VersionId:
        return pick(self._roll, DEFINITIONS).version(VersionName.parse(pick(self._roll, NUMBERS)))

    def _some_disks(self) -> Disks:
        first = pick(self._roll, NAMES)
        if self._roll() < 0.15:
            second = pick(self._roll, [name for name in NAMES if name != first])
            return first, second
        return (first,)

    def _some_targets(self) -> list[TargetRequest]:
        names = list(REGION_NAMES)
        count = 1 + int(self._roll() * len(names))
        chosen = [names.pop(int(self._roll() * len(names))) for _ in range(count)]
        return [self._target(name) for name in chosen]

    def _target(self, name: str) -> TargetRequest:
        kind = pick(self._roll, _TYPES[name])
        return TargetRequest(name, 1 + int(self._roll() * 2), kind)


def shown(value: object) -> str:
    """Targets as on a command line; other values as they are."""
    if isinstance(value, list):
        return " ".join(map(shown, value))
    if isinstance(value, TargetRequest):
        kind = "" if value.storage_account_type is None else f"={value.storage_account_type}"
        return f"{value.name}={value.replica_count}{kind.lower()}"
    return str(value)
