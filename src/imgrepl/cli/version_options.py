"""The options of `image-version create` and `update`, and the requests they make."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from imgrepl.actions.version_requests import CreateVersion, UpdateVersion, VersionView
from imgrepl.azure.resource_ids import source_of
from imgrepl.cli.options import (
    DefinitionOptions,
    DryRun,
    EditOptions,
    IfMatch,
    NoWait,
    ReadingOptions,
    Tags,
    ThreeState,
    VersionOptions,
    Yes,
    choice,
    option,
    optional_pairs,
    options,
    pairs,
    point_in_time,
    three_state,
    truth,
)
from imgrepl.cli.target_options import (
    REGION_GRAMMAR,
    PhaseOptions,
    ReplicaCount,
    ReplicationModeWord,
    TargetEdgeZones,
    TargetRegions,
)
from imgrepl.errors import Invalid, UsageError
from imgrepl.model.gallery import (
    HostCaching,
    ReplicationMode,
    SafetyProfile,
    StorageAccountStrategy,
    VersionId,
)
from imgrepl.model.region import StorageAccountType
from imgrepl.model.waiting import WAIT_FOR_NOTHING, WaitFor

_LUN_FILE = re.compile(r"([0-9]{1,3})=(.+)", re.DOTALL)
_OS_FILE = re.compile(r"os=(.+)", re.DOTALL)

WaitForText = Annotated[
    str,
    option("--wait-for", text="Return at all, any, source or region=NAME.", metavar="MILESTONE"),
]
ExcludeFromLatest = Annotated[
    ThreeState, three_state("--exclude-from-latest", text="Never resolve latest to this version.")
]
ExcludeFromLatestIn = Annotated[
    tuple[str, ...],
    options(
        "--exclude-from-latest-in",
        text="A region's own answer, which wins over the common one: eastus=true westus=unset.",
        metavar="REGION=true|false|unset",
    ),
]
EndOfLife = Annotated[
    str | None,
    option("--end-of-life-date", text="When the image should no longer be used.", metavar="T"),
]
BlockDeletion = Annotated[
    ThreeState,
    three_state(
        "--block-deletion-before-end-of-life", text="Refuse deletion before the end of life."
    ),
]
AllowRegionDeletion = Annotated[
    ThreeState,
    three_state(
        "--allow-replicated-location-deletion", text="Whether regions may be taken away later."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WaitOptions:
    """How long to wait for a version."""

    no_wait: NoWait = False
    wait_for: WaitForText = "all"

    @property
    def milestone(self) -> WaitFor:
        """What to wait for."""
        return WAIT_FOR_NOTHING if self.no_wait else WaitFor.parse(self.wait_for)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SourceOptions(ReadingOptions):
    """The disks of a new version."""

    os_disk: Annotated[
        str,
        option(
            "--os-disk",
            "--os-vhd-uri",
            "--os-snapshot",
            "--image-version",
            text="The OS disk: a file, s3://BUCKET/KEY or imgrepl:GALLERY/NAME/VERSION.",
            metavar="SOURCE",
        ),
    ]
    data_disk: Annotated[
        tuple[str, ...], options("--data-disk", text="Data disks by LUN.", metavar="LUN=SOURCE")
    ] = ()
    data_vhds_uris: Annotated[
        tuple[str, ...],
        options(
            "--data-vhds-uris", "--data-snapshots", text="As az: data disks.", metavar="SOURCE"
        ),
    ] = ()
    data_vhds_luns: Annotated[
        tuple[int, ...],
        options(
            "--data-vhds-luns",
            "--data-snapshot-luns",
            text="As az: their LUNs; 0, 1, … if absent.",
            metavar="LUN",
        ),
    ] = ()
    storage_accounts: Annotated[
        tuple[str, ...],
        options(
            "--os-vhd-storage-account",
            "--data-vhds-sa",
            text="As az; not needed here: a source's URL says where it is.",
            metavar="ACCOUNT",
        ),
    ] = ()
    parent: Annotated[
        tuple[str, ...],
        options(
            "--parent",
            text="Files that may serve as parents of a differencing disk.",
            metavar="[os|LUN=]FILE",
        ),
    ] = ()

    @property
    def data_disks(self) -> dict[int, str]:
        """Sources of the data disks by LUN."""
        named = [_lun_and_source(word) for word in self.data_disk]
        luns = self.data_vhds_luns or tuple(range(len(self.data_vhds_uris)))
        if len(luns) != len(self.data_vhds_uris):
            raise UsageError(
                f"--data-vhds-luns has {len(luns)} LUNs for {len(self.data_vhds_uris)} disks"
            )
        named += zip(luns, self.data_vhds_uris, strict=True)
        disks = dict(named)
        if len(disks) != len(named):
            numbers = [lun for lun, _source in named]
            twice = next(lun for lun in numbers if numbers.count(lun) > 1)
            raise Invalid(
                f"two data disks have the LUN {twice}",
                code="InvalidDiskLayout",
                target=str(twice),
                details=[f"LUN {lun}: {source}" for lun, source in named],
                hint="each data disk has a LUN of its own, from 0 to 63",
            )
        return disks

    @property
    def parents(self) -> dict[int | None, tuple[str, ...]]:
        """Parent files by the LUN of the disk they are for; None is the OS disk."""
        found: dict[int | None, tuple[str, ...]] = {}
        for word in self.parent:
            lun, file = _lun_and_parent(word)
            found[lun] = (*found.get(lun, ()), file)
        return found


def _lun_and_source(word: str) -> tuple[int, str]:
    match = _LUN_FILE.fullmatch(word)
    if match is None:
        raise UsageError(
            f"--data-disk {word!r} is not LUN=SOURCE", target=word, hint="write 0=data.vhd"
        )
    return int(match[1]), match[2]


def _lun_and_parent(word: str) -> tuple[int | None, str]:
    if match := _LUN_FILE.fullmatch(word):
        return int(match[1]), match[2]
    if match := _OS_FILE.fullmatch(word):
        return None, match[1]
    return None, word


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CreateOptions(WaitOptions, PhaseOptions, SourceOptions, DefinitionOptions):
    """Everything `image-version create` takes."""

    version: Annotated[
        str | None, option("--gallery-image-version", "-e", text="Version.", metavar="M.M.P")
    ] = None
    auto_version: Annotated[
        str | None,
        choice(
            "--auto-version",
            text="Choose the next version after the highest, instead of -e.",
            of=("major", "minor", "patch", "date"),
        ),
    ] = None
    location: Annotated[
        str | None,
        option("--location", "-l", text="Home region; the gallery's if absent.", metavar="REGION"),
    ] = None
    target_regions: TargetRegions = None
    target_edge_zones: TargetEdgeZones = None
    replica_count: ReplicaCount = None
    storage_account_type: Annotated[
        StorageAccountType | None,
        choice(
            "--storage-account-type",
            text="How replicas are kept where a region states nothing.",
            of=tuple(StorageAccountType),
        ),
    ] = None
    storage_account_strategy: Annotated[
        StorageAccountStrategy | None,
        choice(
            "--storage-account-strategy",
            text="How replicas are kept where neither a type nor a region states it.",
            of=tuple(StorageAccountStrategy),
        ),
    ] = None
    host_caching: Annotated[
        tuple[str, ...],
        options(
            "--host-caching",
            text="How hosts are to cache disks: None, ReadOnly or ReadWrite.",
            metavar="[os|LUN=]CACHING",
        ),
    ] = ()
    replication_mode: ReplicationModeWord = None
    exclude_from_latest: ExcludeFromLatest = None
    exclude_from_latest_in: ExcludeFromLatestIn = ()
    stage: Annotated[
        bool,
        option("--stage", text="Publish it excluded from latest, to be promoted once it is tried."),
    ] = False
    end_of_life_date: EndOfLife = None
    block_deletion_before_end_of_life: BlockDeletion = None
    allow_replicated_location_deletion: AllowRegionDeletion = None
    tags: Tags = None
    create_parents: Annotated[
        bool,
        option("--create-parents", text="Make the gallery and the definition where missing."),
    ] = False
    dry_run: DryRun = False
    estimate: Annotated[
        bool,
        option("--estimate", text="A dry run that reads the format's tables only, no content."),
    ] = False

    def request(self, version: VersionId) -> CreateVersion:
        """What these options ask for, under the name `version`."""
        from imgrepl.azure import target_regions

        return CreateVersion(
            id=version,
            os_disk=source_of(self.os_disk),
            data_disks=self.data_disks,
            parents=self.parents,
            location=self.location,
            target_regions=target_regions.parse(self.target_regions),
            target_edge_zones=target_regions.parse_edge_zones(self.target_edge_zones),
            replica_count=self.replica_count,
            storage_account_type=self.storage_account_type,
            storage_account_strategy=self.storage_account_strategy,
            host_caching=dict(_lun_and_caching(word) for word in self.host_caching),
            replication_mode=self.replication_mode or ReplicationMode.FULL,
            phases=self.roll_out,
            exclude_from_latest=self._excluded,
            exclude_from_latest_in=_exclusions(self.exclude_from_latest_in),
            end_of_life_date=point_in_time(self.end_of_life_date, "--end-of-life-date"),
            tags=pairs(self.tags or (), "--tags"),
            create_parents=self.create_parents,
            sha256=self.sha256,
            ignore_checksum=self.ignore_checksum,
            size_from_geometry=self.size_from_geometry,
            safety=self._safety,
        )

    @property
    def _excluded(self) -> bool:
        said = truth(self.exclude_from_latest)
        if self.stage and said is False:
            raise UsageError(
                "--stage excludes from latest, and --exclude-from-latest false does not"
            )
        return self.stage or bool(said)

    @property
    def _safety(self) -> SafetyProfile:
        return SafetyProfile(
            allow_deletion_of_replicated_locations=(
                truth(self.allow_replicated_location_deletion) is not False
            ),
            block_deletion_before_end_of_life=bool(truth(self.block_deletion_before_end_of_life)),
        )


def _lun_and_caching(word: str) -> tuple[int | None, HostCaching]:
    disk, equals, caching = word.rpartition("=")
    known = {kind.lower(): kind for kind in HostCaching}
    named = not equals or disk == "os" or (disk.isascii() and disk.isdigit())
    if caching.lower() not in known or not named:
        raise UsageError(
            f"--host-caching {word!r} is not [os|LUN=]CACHING",
            target=word,
            hint=f"CACHING is {', '.join(HostCaching)}: write ReadOnly, or 0=ReadWrite",
        )
    return int(disk) if disk.isdigit() else None, known[caching.lower()]


def _exclusions(words: Sequence[str]) -> dict[str, bool | None]:
    """`("eastus=true", "westus=unset")` by region; unset is None."""
    known = {"true": True, "false": False, "unset": None}
    found: dict[str, bool | None] = {}
    for region, word in pairs(words, "--exclude-from-latest-in").items():
        if word.lower() not in known:
            raise UsageError(
                f"--exclude-from-latest-in {region}={word}: it is true, false or unset",
                target=region,
            )
        found[region] = known[word.lower()]
    return found


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpdateOptions(WaitOptions, PhaseOptions, VersionOptions, EditOptions):
    """Everything `image-version update` takes; what is not named stays as it is."""

    target_regions: TargetRegions = None
    target_edge_zones: TargetEdgeZones = None
    add_regions: Annotated[
        tuple[str, ...],
        options("--add-regions", text="Regions to add or change.", metavar=REGION_GRAMMAR),
    ] = ()
    remove_regions: Annotated[
        tuple[str, ...], options("--remove-regions", text="Regions to leave.", metavar="REGION")
    ] = ()
    replica_count: ReplicaCount = None
    replication_mode: ReplicationModeWord = None
    exclude_from_latest: ExcludeFromLatest = None
    exclude_from_latest_in: ExcludeFromLatestIn = ()
    end_of_life_date: EndOfLife = None
    block_deletion_before_end_of_life: BlockDeletion = None
    allow_replicated_location_deletion: AllowRegionDeletion = None
    tags: Tags = None
    if_match: IfMatch = None
    dry_run: DryRun = False
    yes: Yes = False

    def request(self, present: VersionView | None = None) -> UpdateVersion:
        """The changes asked for: by edits of what is `present`, and by options, which win."""
        tags = optional_pairs(self.tags, "--tags")
        if present is None:
            return replace(self._stated(), tags=tags)
        from imgrepl.azure import edited, shapes

        before = shapes.version(present)
        return edited.changes(edited.version_changes, before, self.edits, self._stated(), tags)

    def _stated(self) -> UpdateVersion:
        from imgrepl.azure import target_regions

        return UpdateVersion(
            target_regions=target_regions.parse(self.target_regions),
            target_edge_zones=target_regions.parse_edge_zones(self.target_edge_zones),
            add_regions=target_regions.parse(self.add_regions or None),
            remove_regions=self.remove_regions,
            replica_count=self.replica_count,
            replication_mode=self.replication_mode,
            phases=self.roll_out,
            exclude_from_latest=truth(self.exclude_from_latest),
            exclude_from_latest_in=_exclusions(self.exclude_from_latest_in),
            end_of_life_date=point_in_time(self.end_of_life_date or None, "--end-of-life-date"),
            clear_end_of_life=self.end_of_life_date == "",
            block_deletion_before_end_of_life=truth(self.block_deletion_before_end_of_life),
            allow_deletion_of_replicated_locations=truth(self.allow_replicated_location_deletion),
        )
