"""A whole gallery into a bucket of its own, and back: an export is a region like any other.

So a second export sends only what is new, everything that reads a bucket reads an export, and an
import copies from one as from any region.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from imgrepl.actions import (
    allowing,
    copy_parents,
    copying,
    following,
    mirroring,
    roles_left,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.copying import CopyVersion
from imgrepl.actions.version_requests import TargetRequest, VersionView
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import activity, definitions, galleries, regions
from imgrepl.gallery import versions as rows
from imgrepl.model.events import Notice
from imgrepl.model.gallery import Gallery, GalleryId, ImageDefinition, ImageVersion, VersionId
from imgrepl.model.peer import Peer, PeerBucket, PeerIndex
from imgrepl.model.policy import Action, ScopedGrant
from imgrepl.model.region import StorageAccountType, normal_region_name
from imgrepl.model.replica import Replica
from imgrepl.model.sharing import SharingPermission


@dataclass(frozen=True, kw_only=True)
class ImportGallery:
    """What to bring in: `gallery` of the bucket, or the only one there is where None.

    It becomes `name` here, or keeps its own. Without `target_regions` each version stands where it
    did, in regions that this index knows.
    """

    bucket: PeerBucket
    gallery: str | None = None
    subscription: str = "default"
    group: str = "default"
    name: str | None = None
    location: str | None = None
    target_regions: Sequence[TargetRequest] | None = None


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What became of one version: `view` is the copy, `was_there` whether it was there before."""

    view: VersionView
    was_there: bool


@dataclass(frozen=True, kw_only=True)
class Carriage:
    """What an export or import did. `only_there` are versions that the target alone has.

    `changed` are parents and versions whose fields followed the source's; `left_out` are versions
    that were not carried, with why. `roles_left` are roles at the source and `sharing_left` is how
    the gallery is shared there: neither is carried. `unread` is what the source bucket holds and
    did not give, with the reason.
    """

    gallery: GalleryId
    bucket: str
    planned: bool
    definitions: int
    versions: tuple[Carried, ...]
    changed: tuple[str, ...] = ()
    only_there: tuple[VersionId, ...] = ()
    left_out: tuple[tuple[VersionId, str], ...] = ()
    roles_left: tuple[ScopedGrant, ...] = ()
    sharing_left: SharingPermission = SharingPermission.PRIVATE
    unread: tuple[str, ...] = ()

    @property
    def replicas(self) -> list[Replica]:
        """Every replica of every copy."""
        return [replica for one in self.versions for replica in one.view.replicas]


@dataclass(frozen=True, kw_only=True)
class _Content:
    """A gallery with all that is published in it, in an order in which it can be made."""

    gallery: Gallery
    definitions: tuple[ImageDefinition, ...]
    versions: tuple[ImageVersion, ...]
    roles: tuple[ScopedGrant, ...]


@dataclass(frozen=True, kw_only=True)
class _How:
    """What all copies of one carriage have in common."""

    peer: Peer
    target: GalleryId
    location: str | None
    target_regions: Sequence[TargetRequest] | None
    dry_run: bool
    plain: bool = False
    """One replica of the plain type, whatever the source has."""

    def id_of(self, version: ImageVersion) -> VersionId:
        """What the copy of one version is called."""
        definition = self.target.definition(version.id.definition.definition)
        return definition.version(version.id.version)

    def request(self, version: ImageVersion) -> CopyVersion:
        """The copy of one version. A shallow one stands at home alone, wherever others go."""
        shallow = version.is_shallow
        return CopyVersion(
            source=version.id.definition,
            name=str(version.id.version),
            id=self.id_of(version),
            peer=self.peer,
            location=self._pointers_home(version) if shallow else self.location,
            target_regions=None if shallow else self.target_regions,
            replica_count=1 if self.plain else None,
            storage_account_type=StorageAccountType.STANDARD_LRS if self.plain else None,
            create_parents=True,
            in_gallery=True,
        )

    def _pointers_home(self, version: ImageVersion) -> str | None:
        """The home that a full version would have here."""
        if self.location is not None or not self.target_regions:
            return self.location
        names = [normal_region_name(one.name) for one in self.target_regions]
        return version.location if version.location in names else names[0]


@dataclass(frozen=True)
class _OnlyPeer:
    """The other gallery, which is open already."""

    ctx: Context

    def reading(self, _peer: Peer) -> AbstractContextManager[Context]:
        return nullcontext(self.ctx)

    def writing(
        self, bucket: PeerBucket, name: str, *, rehearse: bool
    ) -> AbstractContextManager[Context]:
        return self.ctx.peers.writing(bucket, name, rehearse=rehearse)


def export(
    ctx: Context, gallery_id: GalleryId, bucket: PeerBucket, *, dry_run: bool = False
) -> Carriage:
    """Writes a gallery with its definitions and published versions into a bucket of its own.

    What is there already is not sent again; what has changed is changed there; what is gone here
    stays there and is named. Raises `NotFound`, `Conflict` (`VersionExists` where a number has
    other content there, `NotAnExport`, `NotOwner`), and what the stores raise.
    """
    allowing.check(ctx, Action.VERSION_READ, gallery_id)
    content = _content_of(ctx, gallery_id)
    with ctx.peers.writing(bucket, content.gallery.location, rehearse=dry_run) as opened:
        region = _only_region(opened)  # an export keeps its region where the gallery's home moved
        how = _How(
            peer=PeerIndex(url=ctx.index.url),
            target=content.gallery.id,
            location=region,
            target_regions=[TargetRequest(region, 1, StorageAccountType.STANDARD_LRS)],
            dry_run=dry_run,
            plain=True,
        )
        target = replace(opened, peers=_OnlyPeer(ctx))
        done = _carry(target, content, how, bucket)
    if not dry_run:
        detail = {"to": done.bucket, "versions": len(done.versions)}
        with ctx.index.begin() as tx:
            activity.log(tx, "gallery.export", str(gallery_id), "Succeeded", detail, ctx.principal)
    return done


def bring_in(ctx: Context, request: ImportGallery, *, dry_run: bool = False) -> Carriage:
    """Makes a gallery of what lies in a bucket: an export, or any region of another index.

    Run again it goes on, and follows what has changed there. Raises `NotFound` (`GalleryNotFound`,
    `StoreMissing`), `Conflict` (`VersionExists`, `GalleryExists`), `Invalid`, and what the stores
    raise.
    """
    allowing.check(ctx, *_question(request))
    with ctx.peers.reading(request.bucket) as other:
        content = _content_of(other, _chosen(other, request).id)
        how = _How(
            peer=request.bucket,
            target=GalleryId(
                subscription=request.subscription,
                group=request.group,
                gallery=request.name or content.gallery.id.gallery,
            ),
            location=request.location,
            target_regions=request.target_regions,
            dry_run=dry_run,
        )
        carried = _carry(replace(ctx, peers=_OnlyPeer(other)), content, how, request.bucket)
        done = replace(carried, unread=other.unread)
    if not dry_run:
        detail = {"from": done.bucket, "versions": len(done.versions)}
        with ctx.index.begin() as tx:
            activity.log(tx, "gallery.import", str(how.target), "Succeeded", detail, ctx.principal)
    return done


def _only_region(opened: Context) -> str:
    with opened.index.read() as tx:
        (region,) = regions.list_all(tx)
    return region.name


def _question(request: ImportGallery) -> tuple[Action, GalleryId | None]:
    """What is to be allowed: to write the gallery, or the index where no gallery is named yet."""
    name = request.name or request.gallery
    if name is None:
        return Action.INDEX_WRITE, None
    target = GalleryId(
        subscription=request.subscription, group=request.group, gallery=name.rpartition("/")[2]
    )
    return Action.GALLERY_WRITE, target


def _content_of(ctx: Context, gallery_id: GalleryId) -> _Content:
    with ctx.index.read() as tx:
        inner = definitions.list_all(tx, gallery=gallery_id)
        published = [
            version
            for definition in inner
            for version in rows.list_of(tx, definition.id)
            if version.deletion is None
        ]
        gallery = galleries.get(tx, gallery_id)
    return _Content(
        gallery=gallery,
        definitions=tuple(inner),
        versions=tuple(published),
        roles=roles_left.roles_on(ctx, [gallery, *inner, *published]),
    )


def _chosen(other: Context, request: ImportGallery) -> Gallery:
    with other.index.read() as tx:
        found = galleries.list_all(tx)
    names = ", ".join(str(one.id) for one in found)
    url = request.bucket.standard[0].url
    if request.gallery is not None:
        asked = request.gallery.lower()
        found = [one for one in found if asked in {str(one.id).lower(), one.id.gallery.lower()}]
    if not found:
        raise NotFound(
            f"{url} holds no gallery {request.gallery or ''}; it holds {names or 'none'}",
            code="GalleryNotFound",
            target=request.gallery,
        )
    if len(found) > 1:
        raise Conflict(
            f"{url} holds {len(found)} galleries: {names}",
            code="GalleryAmbiguous",
            target=request.gallery,
            hint="name one with -r, as it is listed here",
        )
    return found[0]


def _carry(target: Context, content: _Content, how: _How, bucket: PeerBucket) -> Carriage:
    changed: list[str] = []
    if not how.dry_run:
        changed += _make_parents(target, content, how)
    carried: list[Carried] = []
    left_out: list[tuple[VersionId, str]] = []
    for number, version in enumerate(content.versions, start=1):
        reason = _why_not(target, version, how)
        if reason is not None:
            left_out.append((version.id, reason))
            continue
        text = f"{number} of {len(content.versions)}: {version.id}"
        target.events(Notice(level="info", text=text, subject=str(version.id)))
        carried.append(_carry_one(target, version, how, changed))
    return Carriage(
        gallery=how.target,
        bucket=bucket.standard[0].url,
        planned=how.dry_run,
        definitions=len(content.definitions),
        versions=tuple(carried),
        changed=tuple(changed),
        only_there=tuple(_only_in(target, content, how)),
        left_out=tuple(left_out),
        roles_left=content.roles,
        sharing_left=content.gallery.sharing.permissions,
    )


def _why_not(target: Context, version: ImageVersion, how: _How) -> str | None:
    """What lies in the target's bin stays there, and so does what is named by itself.

    Of two that share a number, one that points and one that has content are never compared.
    """
    with target.index.read() as tx:
        there = rows.find(tx, how.id_of(version))
    if there is None or not there.committed:
        return None
    if there.deletion is not None:
        return "it lies in the bin of the target: undelete or purge it there"
    if there.is_shallow is version.is_shallow:
        return None
    return (
        f"it is {version.replication_mode} at the source and {there.replication_mode} at the"
        " target, which stays as it is"
    )


def _make_parents(target: Context, content: _Content, how: _How) -> Iterator[str]:
    """Makes the gallery and its definitions, or has those that are there follow the source's."""
    copy_parents.copy_gallery(target, content.gallery, how.target, location=how.location)
    yield from mirroring.gallery(target, content.gallery, how.target)
    for definition in content.definitions:
        made = how.target.definition(definition.id.definition)
        copy_parents.copy_definition(target, definition, made, location=how.location)
        yield from mirroring.definition(target, definition, made)


def _carry_one(target: Context, version: ImageVersion, how: _How, changed: list[str]) -> Carried:
    request = how.request(version)
    with target.index.read() as tx:
        before = rows.find(tx, request.id)
    was_there = before is not None and before.committed
    if before is not None and was_there and _is_same(before, version):
        if how.dry_run:
            return Carried(view=versions.view(target, before.id), was_there=True)
        changed += mirroring.version(target, version, before.id)
        return Carried(view=_gone_on(target, before.id), was_there=True)
    view = copying.copy(target, request, dry_run=how.dry_run)
    return Carried(view=view, was_there=was_there)


def _gone_on(target: Context, version_id: VersionId) -> VersionView:
    """It keeps the regions that it has at the target by now, and fills those that are not."""
    if versions.is_complete(target, version_id):
        return versions.view(target, version_id)
    return following.retry(target, version_id)


def _is_same(before: ImageVersion, version: ImageVersion) -> bool:
    if version.is_shallow:
        return before.pointers == version.pointers
    return before.content_ids == version.content_ids


def _only_in(target: Context, content: _Content, how: _How) -> Iterator[VersionId]:
    """Versions of the target that the source has not, or has deleted."""
    known = {
        (version.id.definition.definition.lower(), version.id.version)
        for version in content.versions
    }
    with target.index.read() as tx:
        if galleries.find(tx, how.target) is None:
            return
        for definition in definitions.list_all(tx, gallery=how.target):
            for version in rows.list_of(tx, definition.id):
                name = (version.id.definition.definition.lower(), version.id.version)
                if name not in known:
                    yield version.id
