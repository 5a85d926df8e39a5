"""The Python door: what `from imgrepl import …` gives."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from imgrepl.actions import (
    copying,
    creating,
    downloads,
    following,
    galleries,
    links,
    regions,
    updating,
    verifying,
    version_bin,
    version_deleting,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.copying import CopyVersion
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.links import Link, LinkedFile, LinkRequest
from imgrepl.actions.version_requests import (
    CreateVersion,
    TargetRequest,
    UpdateVersion,
    VersionView,
)
from imgrepl.assembly.app import open_app
from imgrepl.client_sharing import Sharing
from imgrepl.gallery import versions as version_rows
from imgrepl.model.events import EventSink, silent
from imgrepl.model.gallery import Gallery, VersionId, VersionName
from imgrepl.model.peer import PeerIndex
from imgrepl.model.references import parse_version_reference
from imgrepl.model.region import Endpoint, Region, normal_region_name
from imgrepl.model.waiting import WaitFor
from imgrepl.settings import Given, load, process_environment

PathLike = str | Path


@contextmanager
def connect(
    index: str | None = None,
    *,
    config: str | None = None,
    principal: str | None = None,
    events: EventSink = silent,
    stop: threading.Event | None = None,
) -> Iterator["Client"]:
    """Opens a gallery index, as `--index` and the settings name it, for as long as the block lasts.

    `principal` is who asks, as `--principal` has it; the index's owner where it is None.
    `events` is told of progress from several threads; setting `stop` ends running work between two
    steps with `Interrupted`. Raises `Conflict` (`IndexNewerThanProgram`) and `Unavailable`.
    """
    named = {"index": index, "principal": principal}
    flags = [Given(key, text, "connect()") for key, text in named.items() if text is not None]
    settings = load(flags, process_environment(), config).settings
    with open_app(settings, events, stop or threading.Event()) as app:
        yield Client(app.ctx)


class Client:
    """What one gallery index can do. Thread-safe as far as its calls name different versions.

    A version is named `GALLERY/IMAGE/1.0.0`, with `GROUP/` and `SUBSCRIPTION/` before it where they
    are not `default`; where a call only reads, its last part may be `latest`.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    @property
    def sharing(self) -> Sharing:
        """Roles, direct shares and community galleries."""
        return Sharing(self._ctx)

    def add_region(self, name: str, url: str, **endpoint: str | None) -> Region:
        """Registers a region at `s3://BUCKET[/PREFIX]` or `file:///PATH`.

        The same again changes nothing.

        `endpoint` are fields of `Endpoint`: `endpoint_url`, `profile`, `credentials_file`,
        `credentials_env`, `signing_region`, `addressing`, `ca_file`.
        """
        where = Endpoint(url=url, **endpoint)  # type: ignore[arg-type]
        region = Region(name=normal_region_name(name), display_name=name, standard=(where,))
        return regions.register(self._ctx, [region])[0]

    def regions(self) -> list[Region]:
        """Every region, by name."""
        return regions.list_all(self._ctx)

    def galleries(self) -> list[Gallery]:
        """Every gallery, by name."""
        return galleries.list_all(self._ctx)

    def publish(
        self,
        version: str,
        os_disk: PathLike,
        *,
        target_regions: Mapping[str, int] | Sequence[TargetRequest] = (),
        data_disks: Mapping[int, PathLike] | None = None,
        location: str | None = None,
        wait_for: str = "all",
        **fields: Any,  # noqa: ANN401 - the other fields of CreateVersion
    ) -> VersionView:
        """Publishes a disk image, making gallery and definition where they are missing.

        `target_regions` maps names to replica counts, or lists `TargetRequest`s. The same call
        again goes on where an earlier one stood. A region that fails is no error here: the view's
        replicas say so.
        """
        if isinstance(target_regions, Mapping):
            target_regions = [TargetRequest(name, n) for name, n in target_regions.items()]
        request = CreateVersion(
            id=_version_id(version),
            os_disk=str(os_disk),
            data_disks={lun: str(path) for lun, path in (data_disks or {}).items()},
            location=location or (target_regions[0].name if target_regions else None),
            target_regions=target_regions,
            **{"create_parents": True, **fields},
        )
        return creating.create(self._ctx, request, wait=WaitFor.parse(wait_for))

    def show(self, version: str, *, region: str | None = None) -> VersionView:
        """One version, or the one that `latest` is, in `region` where given."""
        definition, name = parse_version_reference(version)
        return versions.show(self._ctx, definition, name, region=region)

    def versions(self, definition: str) -> list[VersionView]:
        """The versions of `GALLERY/IMAGE`, newest first."""
        parent, _name = parse_version_reference(f"{definition}/latest")
        return versions.list_of(self._ctx, parent)

    def update(self, version: str, **changes: Any) -> VersionView:  # noqa: ANN401 - as it says
        """Changes where a version stands or its profile.

        `changes` are fields of `UpdateVersion`.
        """
        return updating.update(self._ctx, self._id(version), UpdateVersion(**changes))

    def retry(self, version: str, *, region: str | None = None) -> VersionView:
        """Goes on with every region that is not complete, or with one."""
        return following.retry(self._ctx, self._id(version), region=region)

    def download(
        self,
        version: str,
        file: PathLike,
        *,
        file_format: str = "raw",
        region: str | None = None,
        lun: int | None = None,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Writes a disk of a version to `file`, every chunk proven.

        Gives sizes, region and time.
        """
        definition, name = parse_version_reference(version)
        request = DownloadRequest(
            definition=definition,
            name=name,
            file=str(file),
            format=file_format,
            lun=lun,
            region=region,
            overwrite=overwrite,
        )
        return downloads.download(self._ctx, request)

    def verify(self, version: str, *, deep: bool = False) -> dict[str, Any]:
        """What is found of each replica; `deep` reads every byte."""
        return verifying.verify(self._ctx, self._id(version), deep=deep)

    def repair(self, version: str) -> dict[str, Any]:
        """Mends what is damaged or missing from wherever it is whole."""
        return verifying.repair(self._ctx, self._id(version))

    def copy(
        self,
        source: str,
        target: str,
        *,
        from_index: str | None = None,
        **changes: Any,  # noqa: ANN401 - the other fields of CopyVersion
    ) -> VersionView:
        """Copies a version to another name, with all that belongs to it, unless `changes` say else.

        `from_index` is the URL of the gallery index that has the source. Gallery and definition are
        made as the source has them. The same call again goes on where an earlier one stood.
        """
        definition, name = parse_version_reference(source)
        request = CopyVersion(
            source=definition,
            name=name,
            id=_version_id(target),
            peer=None if from_index is None else PeerIndex(url=from_index),
            **{"create_parents": True, **changes},
        )
        return copying.copy(self._ctx, request)

    def promote(self, version: str, *, regions: Iterable[str] = ()) -> VersionView:
        """Lets a staged version become the latest: everywhere, or in these regions."""
        chosen = dict.fromkeys(regions, False)
        request = UpdateVersion(
            exclude_from_latest=None if chosen else False, exclude_from_latest_in=chosen
        )
        return updating.update(self._ctx, self._id(version), request)

    def delete(self, version: str, *, bypass_soft_delete: bool = False) -> dict[str, Any]:
        """Deletes a version in all its regions, into the bin where its gallery has one."""
        return version_deleting.delete(
            self._ctx, self._id(version), bypass_soft_delete=bypass_soft_delete
        )

    def undelete(self, version: str) -> VersionView:
        """Brings a version back out of the bin, and refills its regions."""
        return version_bin.undelete(self._ctx, self._id(version))

    def purge(self, version: str) -> dict[str, Any]:
        """Deletes for good what lies in the bin."""
        return version_bin.purge(self._ctx, self._id(version))

    def link(
        self,
        version: str,
        *,
        file_format: str = "qcow2",
        region: str | None = None,
        lun: int | None = None,
        expires_in: timedelta = timedelta(hours=24),
        dry_run: bool = False,
    ) -> Link:
        """A signed address of one disk, for whoever has no other way to it.

        It is good for 1 minute to 7 days; its image file is made once and found again. Only a
        region on an S3 server has links.
        """
        definition, name = parse_version_reference(version)
        request = LinkRequest(
            definition=definition,
            name=name,
            lun=lun,
            format=file_format,
            region=region,
            expires_in=expires_in,
        )
        return links.create(self._ctx, request, dry_run=dry_run)

    def links(self, version: str) -> list[LinkedFile]:
        """The image files that links to a version's disks lead to."""
        return links.list_of(self._ctx, self._id(version))

    def revoke_links(self, version: str) -> list[LinkedFile]:
        """Deletes them: every link to them is dead at once."""
        return links.revoke(self._ctx, self._id(version))

    def _id(self, version: str) -> VersionId:
        definition, name = parse_version_reference(version)
        with self._ctx.index.read() as tx:
            found = versions.resolve_name(tx, definition, name, None)
            return version_rows.get(tx, found).id


def _version_id(reference: str) -> VersionId:
    definition, name = parse_version_reference(reference)
    return definition.version(VersionName.parse(name))
