"""`imgrepl image-version copy`: to another name, gallery, index or account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.options import DryRun, Tags, choice, option, optional_pairs, point_in_time, truth
from imgrepl.cli.run import Injected, Run
from imgrepl.cli.target_options import ReplicaCount, TargetRegions
from imgrepl.cli.verdicts import verdict_of
from imgrepl.cli.version_options import EndOfLife, ExcludeFromLatest, WaitOptions
from imgrepl.cli.version_page import version_page
from imgrepl.errors import UsageError
from imgrepl.model.peer import Peer, PeerIndex
from imgrepl.model.references import parse_version_reference
from imgrepl.model.region import StorageAccountType

if TYPE_CHECKING:
    from imgrepl.actions.context import Context
    from imgrepl.actions.copying import CopyVersion


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CopyOptions(WaitOptions, BucketOptions):
    """Everything `image-version copy` takes beside the two names."""

    from_index: Annotated[
        str | None,
        option("--from-index", text="The index that has the source.", metavar="URL"),
    ] = None
    to_index: Annotated[
        str | None,
        option("--to-index", text="The index that gets the copy.", metavar="URL"),
    ] = None
    location: Annotated[
        str | None,
        option(
            "--location",
            "-l",
            text="Home region of the copy, and of parents that are made.",
            metavar="REGION",
        ),
    ] = None
    target_regions: TargetRegions = None
    replica_count: ReplicaCount = None
    storage_account_type: Annotated[
        StorageAccountType | None,
        choice(
            "--storage-account-type",
            text="How replicas are kept where a region states nothing.",
            of=tuple(StorageAccountType),
        ),
    ] = None
    exclude_from_latest: ExcludeFromLatest = None
    end_of_life_date: EndOfLife = None
    tags: Tags = None
    create_parents: Annotated[
        bool,
        option(
            "--create-parents",
            text="Make the gallery and the definition, as the source has them, where missing.",
        ),
    ] = False
    dry_run: DryRun = False

    def peer(self, run: Run) -> Peer | None:
        """The gallery that has the source; None where it is the one that gets the copy."""
        named = {
            "--from-index": self.from_index,
            "--to-index": self.to_index,
            "--from-bucket": self.from_bucket,
        }
        stated = [name for name, value in named.items() if value]
        if len(stated) > 1:
            raise UsageError(f"of {', '.join(named)} give one, not {' and '.join(stated)}")
        if self.from_index is not None:
            return PeerIndex(url=self.from_index)
        if self.to_index is not None:
            return PeerIndex(url=run.settings.index)
        return self.bucket

    def request(self, source: str, target: str, peer: Peer | None) -> "CopyVersion":
        """What these options ask for. Raises `Invalid` (`InvalidVersionReference`)."""
        from imgrepl.actions.copying import CopyVersion
        from imgrepl.azure import target_regions
        from imgrepl.model.gallery import VersionName

        definition, name = parse_version_reference(source)
        into, number = parse_version_reference(target)
        return CopyVersion(
            source=definition,
            name=name,
            id=into.version(VersionName.parse(number)),
            peer=peer,
            location=self.location,
            target_regions=target_regions.parse(self.target_regions),
            replica_count=self.replica_count,
            storage_account_type=self.storage_account_type,
            exclude_from_latest=truth(self.exclude_from_latest),
            end_of_life_date=point_in_time(self.end_of_life_date, "--end-of-life-date"),
            tags=optional_pairs(self.tags, "--tags"),
            create_parents=self.create_parents,
        )

    @contextmanager
    def receiving(self, run: Run) -> Iterator["Context"]:
        """The gallery that gets the copy."""
        settings = run.settings
        if self.to_index is not None:
            settings = replace(settings, index=self.to_index)
        with run.open(settings) as ctx:
            yield ctx


def copy(
    source: str,
    target: str,
    /,
    *,
    options: CopyOptions = CopyOptions(),
    run: Injected,
) -> Answer:
    r"""Copy a version: within an index, or between indexes, accounts and endpoints.

    SOURCE and TARGET are [SUBSCRIPTION/][GROUP/]GALLERY/NAME/VERSION; the source's version may be
    latest. All disks, fields and tags come along; what an option states is changed. Packs that the
    target has are not sent again, and one server copies between its buckets by itself. Without
    --target-regions the copy stands where the source does, in regions that the target's index has.

    For example:

        imgrepl image-version copy golden/debian/latest golden/debian/1.0.0 --create-parents \
            --from-index sqlite:////srv/other/index.sqlite3 --target-regions eastus=2

    Exit codes: 0 done; 3 no such version, gallery, region or index; 4 the target has other content
    or fields, or the source was replaced; 5 a rule; 6 the source is damaged everywhere; 7 an
    endpoint stayed away; 8 some regions are complete and some are not; 130 interrupted, the same
    command goes on.
    """
    from imgrepl.actions import copying
    from imgrepl.azure import shapes

    request = options.request(source, target, options.peer(run))
    with options.receiving(run) as ctx:
        view = copying.copy(ctx, request, wait=options.milestone, dry_run=options.dry_run)
    return Answer(shapes.version(view), error=verdict_of(view.replicas), page=version_page)
