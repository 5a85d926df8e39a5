"""Every rule of the gallery, each with an attempt to break it and what must be said then."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.world import World
from gallery import samples
from imgrepl.actions import (
    creating,
    definitions,
    deleting,
    galleries,
    regions,
    updating,
    version_bin,
    version_deleting,
    versions,
    waiting,
)
from imgrepl.actions.definitions import CreateDefinition, DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.pricing import Pricing
from imgrepl.actions.version_requests import CreateVersion, TargetRequest, UpdateVersion
from imgrepl.azure import edited, generic_update, shapes, target_regions
from imgrepl.azure.generic_update import Edits
from imgrepl.engine.owner import this_process
from imgrepl.gallery import operations as operation_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery import replicas as replica_rows
from imgrepl.gallery import versions as version_rows
from imgrepl.model.advice import Deployment
from imgrepl.model.bill import Month
from imgrepl.model.budget import Budget, BudgetAction
from imgrepl.model.gallery import (
    GalleryId,
    HostCaching,
    HyperVGeneration,
    ImageIdentifier,
    ImageVersion,
    OsState,
    OsType,
    ProvisioningState,
    PurchasePlan,
    Range,
    SafetyProfile,
    SoftDeletion,
    StorageAccountStrategy,
    VersionName,
)
from imgrepl.model.limits import Limits
from imgrepl.model.region import Endpoint, StorageAccountType, normal_region_name
from imgrepl.model.replica import Replica, ReplicaState
from imgrepl.model.retention import RetentionRules
from imgrepl.model.waiting import WaitFor

GOLDEN = GalleryId(gallery="golden")
DEBIAN = GOLDEN.definition("debian")
LRS, ZRS = StorageAccountType.STANDARD_LRS, StorageAccountType.STANDARD_ZRS


@dataclass(frozen=True)
class Broken:
    """A rule, how it is broken, and what the error says: code, exit status and these texts."""

    rule: str
    act: Callable[[World], object]
    code: str
    exit_status: int
    said: tuple[str, ...]


def gallery(world: World, name: str = "golden", **fields: Any) -> object:
    """A gallery in eastus."""
    return galleries.create(world.ctx, GalleryId(gallery=name), **{"location": "eastus"} | fields)


def debian(**fields: Any) -> CreateDefinition:
    """A definition in the gallery golden."""
    made = CreateDefinition(
        id=DEBIAN,
        identifier=ImageIdentifier("contoso", "debian", "12"),
        os_type=OsType.LINUX,
    )
    return replace(made, **fields)


def definition(world: World, **fields: Any) -> object:
    """A gallery and a definition in it."""
    gallery(world)
    return definitions.create(world.ctx, debian(**fields))


def version(world: World, number: str = "1.0.0", **fields: Any) -> ImageVersion:
    """A published version, as rows only: nothing of it lies in a bucket."""
    if not galleries.list_all(world.ctx):
        definition(world)
    told = {"committed": True, "provisioning_state": ProvisioningState.SUCCEEDED}
    made = samples.version(number, of=DEBIAN, content="c", **told | fields)
    with world.index.begin() as tx:
        version_rows.stage(tx, made, None)
        complete = [
            Replica(
                region=target.name,
                number=0,
                storage_account_type=target.storage_account_type,
                state=ReplicaState.COMPLETED,
            )
            for target in made.target_regions
        ]
        replica_rows.plan(tx, made.id, complete)
    return made


def asked(world: World, number: str = "2.0.0", **fields: Any) -> CreateVersion:
    """A version to publish, of a small disk, at home alone."""
    made = CreateVersion(id=DEBIAN.version(VersionName.parse(number)), os_disk=str(world.disk()))
    return replace(made, **fields)


def publish(world: World, **fields: Any) -> object:
    """Asks for it. No rule of these tests lets it come to anything."""
    if not galleries.list_all(world.ctx):
        definition(world)
    return creating.create(world.ctx, asked(world, **fields))


def update(world: World, of: dict[str, Any] | None = None, **changes: Any) -> object:
    """Asks for changes of a version with the fields `of`."""
    made = version(world, **of or {})
    return updating.update(world.ctx, made.id, UpdateVersion(**changes))


def tight(world: World, **limits: int) -> World:
    """The same world under other limits."""
    return replace(world, ctx=replace(world.ctx, limits=Limits(**limits)))


def binned(world: World, days: int = 7, **fields: Any) -> ImageVersion:
    """A version that was put in the bin `days` before the end of its use."""
    now = world.ctx.clock.now()
    end = now + timedelta(days=days)
    deletion = SoftDeletion(
        deleted_at=now - timedelta(days=1),
        consumption_ends_at=end,
        hard_deletion_at=end,
        replica_counts={"eastus": 1},
    )
    return version(world, deletion=deletion, **fields)


def from_version(world: World, **of_source: Any) -> object:
    """A version of debian made from one of another definition with these fields."""
    definition(world)
    ubuntu = GOLDEN.definition("ubuntu")
    other = {"id": ubuntu, "identifier": ImageIdentifier("contoso", "ubuntu", "24")}
    definitions.create(world.ctx, debian(**other | of_source))
    told = {"committed": True, "provisioning_state": ProvisioningState.SUCCEEDED}
    with world.index.begin() as tx:
        version_rows.stage(tx, samples.version("1.0.0", of=ubuntu, content="c", **told), None)
    return creating.create(world.ctx, asked(world, os_disk="imgrepl:golden/ubuntu/1.0.0"))


def edit(world: World, *sets: str) -> object:
    """A definition's JSON with these values set."""
    definition(world)
    before = shapes.definition(definitions.show(world.ctx, DEBIAN))
    return edited.definition_changes(before, generic_update.apply(before, Edits(sets=sets)))


def over_budget(world: World) -> object:
    """A publication where the month may cost a tenth of a cent."""
    definition(world)
    budget = Budget(monthly_usd=Decimal("0.00001"), action=BudgetAction.REFUSE)
    poor = replace(world.ctx, pricing=replace(world.ctx.pricing, budget=budget))
    return creating.create(poor, asked(world))


def marked(world: World) -> object:
    """An update of a version whose deletion was begun."""
    return update(world, {"provisioning_state": ProvisioningState.DELETING}, tags={"a": "b"})


def staged(world: World) -> object:
    """An update of a version that is still being published."""
    return update(world, {"committed": False}, tags={"a": "b"})


def other_content(world: World) -> object:
    """The number of a version that is there, with another disk."""
    version(world)
    return creating.create(world.ctx, asked(world, "1.0.0"))


def illegal_move(world: World) -> None:
    """A version that succeeded, made new again."""
    made = version(world)
    with world.index.begin() as tx:
        version_rows.set_state(tx, made.id, ProvisioningState.CREATING)


def illegal_replica_move(world: World) -> None:
    """A replica that is complete, made unknown again."""
    made = version(world)
    with world.index.begin() as tx:
        replica_rows.set_state(tx, made.id, "eastus", 0, state=ReplicaState.UNKNOWN)


def guarded(world: World) -> object:
    """The deletion of a version before its end of life."""
    safety = SafetyProfile(block_deletion_before_end_of_life=True)
    end = world.ctx.clock.now() + timedelta(days=3)
    made = version(world, safety=safety, end_of_life_date=end)
    return version_deleting.delete(world.ctx, made.id)


def kept_in_regions(world: World) -> object:
    """A region taken away that the safety profile keeps."""
    targets = (samples.target(), samples.target("westeurope"))
    safety = SafetyProfile(allow_deletion_of_replicated_locations=False)
    fields = {"target_regions": targets, "safety": safety}
    return update(world, fields, remove_regions=("westeurope",))


def past_the_bin(world: World) -> object:
    """A recursive deletion in a gallery with a bin."""
    gallery(world, bin_policy=GalleryChanges(soft_delete_enabled=True))
    definitions.create(world.ctx, debian())
    version(world)
    how = deleting.DeleteParent(recursive=True)
    return deleting.delete_gallery(world.ctx, GOLDEN, how)


def elsewhere_only(world: World) -> object:
    """`latest` in a region where the only version does not stand."""
    version(world)
    return versions.show(world.ctx, DEBIAN, "latest", region="westeurope")


def every_one_excluded(world: World) -> object:
    """`latest` where the only version is excluded."""
    version(world, exclude_from_latest=True)
    return versions.show(world.ctx, DEBIAN, "latest", region="eastus")


def seen_before(world: World) -> object:
    """An update with the etag of another state."""
    made = version(world)
    changes = UpdateVersion(tags={"a": "b"})
    return updating.update(world.ctx, made.id, changes, if_match="stale.7")


def taken_identifier(world: World) -> object:
    """A second definition with publisher, offer and SKU of the first."""
    definition(world)
    return definitions.create(world.ctx, debian(id=GOLDEN.definition("other")))


def another_of_its_name(world: World, **fields: Any) -> object:
    """The definition again, with other fields."""
    definition(world)
    return definitions.create(world.ctx, debian(**fields))


def moved_gallery(world: World) -> object:
    """The gallery again, in another region."""
    gallery(world)
    return galleries.create(world.ctx, GOLDEN, location="westeurope")


def gallery_of_another_group(world: World) -> object:
    """The gallery's name again, in another resource group."""
    gallery(world)
    return galleries.create(world.ctx, GalleryId(group="rg", gallery="golden"), location="eastus")


def with_children(world: World) -> object:
    """The deletion of a gallery with a definition."""
    definition(world)
    return deleting.delete_gallery(world.ctx, GOLDEN)


def with_versions(world: World) -> object:
    """The deletion of a definition with a version."""
    version(world)
    return deleting.delete_definition(world.ctx, DEBIAN)


def no_more_patches(world: World) -> object:
    """The next patch after the largest number."""
    version(world, "1.0.2147483647")
    return versions.next_name(world.ctx, DEBIAN, "patch")


def features_changed(world: World) -> object:
    """Other features where the definition does not allow it."""
    definition(world)
    changes = DefinitionChanges(features={"IsHibernateSupported": "True"})
    return definitions.update(world.ctx, DEBIAN, changes)


def second_scope(world: World, what: str) -> object:
    """One more than the limit of `what` allows."""
    definition(world)
    narrow = tight(world, **{what: 1})
    match what:
        case "galleries_max":
            return gallery(narrow, "silver")
        case "definitions_max":
            identifier = ImageIdentifier("contoso", "other", "1")
            other = debian(id=GOLDEN.definition("other"), identifier=identifier)
            return definitions.create(narrow.ctx, other)
    version(world)
    return creating.create(narrow.ctx, asked(narrow))


def another_type(world: World) -> object:
    """A region that keeps a version in zones, asked to keep it otherwise."""
    zones = tuple(Endpoint(url=f"s3://z{k}") for k in range(3))
    with world.index.begin() as tx:
        region_rows.add(tx, replace(samples.region("zonal"), zones=zones))
    targets = (samples.target(), samples.target("zonal", storage_account_type=ZRS))
    return update(world, {"target_regions": targets}, add_regions=[TargetRequest("zonal", 1, LRS)])


def missing_file(world: World) -> object:
    """A source that is not there."""
    return publish(world, os_disk=str(Path(world.folder) / "none.vhd"))


def used_too_late(world: World) -> object:
    """A version made from one in the bin whose time of use is over."""
    binned(world, days=0)
    return creating.create(world.ctx, asked(world, os_disk="imgrepl:golden/debian/1.0.0"))


def two_zones(world: World) -> object:
    """A region with two zones."""
    zones = tuple(Endpoint(url=f"s3://zone{k}") for k in range(2))
    return regions.add(world.ctx, replace(samples.region("zonal"), zones=zones))


def overlapping(world: World) -> object:
    """A region inside another one's bucket."""
    inside = Endpoint(url="s3://eastus/images", endpoint_url="http://eastus.example")
    return regions.add(world.ctx, replace(samples.region("inner"), standard=(inside,)))


def used_region(world: World) -> None:
    """The removal of a region with a version."""
    version(world)
    regions.remove(world.ctx, "eastus")


def busy(world: World) -> object:
    """The deletion of a version that a living process works on."""
    made = version(world, committed=False)
    with world.index.begin() as tx:
        operation = samples.operation(tx, str(made.id))
        operation_rows.claim(tx, operation, this_process(), 60, lambda _owner: False)
        version_rows.set_operation(tx, made.id, operation)
    return version_deleting.delete(world.ctx, made.id)


def waited_too_long(world: World) -> object:
    """A wait for a region that nobody fills any more."""
    made = version(world, committed=False)
    with world.index.begin() as tx:
        version_rows.set_operation(tx, made.id, samples.operation(tx, str(made.id)))
        replica_rows.set_state(tx, made.id, "eastus", 0, state=ReplicaState.REPLICATING)
    return waiting.wait(world.ctx, made.id, WaitFor.parse("all"), timeout_seconds=2)


def wrong_prices(world: World) -> object:
    """A price list with a unit that there is not."""
    path = world.folder / "prices.toml"
    path.write_text('gigabyte = "dozen"', encoding="utf-8")
    return Pricing(prices_file=path).prices


def no_prices(world: World) -> object:
    """A price list that is not there."""
    return Pricing(prices_file=world.folder / "none.toml").prices


def _soon(world: World, days: int) -> Any:
    return world.ctx.clock.now() + timedelta(days=days)


def _named(name: str) -> Callable[[World], object]:
    return lambda world: gallery(world, name)


def _definition(**fields: Any) -> Callable[[World], object]:
    return lambda world: definition(world, **fields)


def _identifier(*parts: str) -> Callable[[World], object]:
    return _definition(identifier=ImageIdentifier(*parts))


def _published(**fields: Any) -> Callable[[World], object]:
    return lambda world: publish(world, **fields)


RULES = (
    # names
    Broken("gallery name", _named("gold-en"), "InvalidName", 5, ("gold-en", "1 to 80", "no '-'")),
    Broken(
        "definition name",
        _definition(id=GOLDEN.definition("deb ian")),
        "InvalidName",
        5,
        ("deb ian", "1 to 80"),
    ),
    Broken(
        "subscription name",
        lambda world: galleries.create(
            world.ctx, GalleryId(subscription="s" * 65, gallery="g"), location="eastus"
        ),
        "InvalidName",
        5,
        ("1 to 64", "65"),
    ),
    Broken(
        "resource group name",
        lambda world: galleries.create(
            world.ctx, GalleryId(group="rg.", gallery="g"), location="eastus"
        ),
        "InvalidName",
        5,
        ("rg.", "1 to 90"),
    ),
    Broken("publisher", _identifier("a b", "o", "s"), "InvalidName", 5, ("a b", "1 to 128")),
    Broken("offer", _identifier("p", "o" * 65, "s"), "InvalidName", 5, ("1 to 64", "65")),
    Broken("SKU", _identifier("p", "o", "s."), "InvalidName", 5, ("s.", "1 to 64")),
    Broken(
        "version number",
        lambda _world: VersionName.parse("1.2147483648.0"),
        "InvalidVersion",
        5,
        ("1.2147483648.0", "0 to 2147483647"),
    ),
    Broken(
        "version number without leading zeros",
        lambda _world: VersionName.parse("1.01.0"),
        "InvalidVersion",
        5,
        ("1.01.0", "leading zeros"),
    ),
    Broken("next version number", no_more_patches, "InvalidVersion", 5, ("2147483648", "minor")),
    Broken(
        "region name",
        lambda _world: normal_region_name("-"),
        "InvalidRegionName",
        5,
        ("'-'", "1 to 63"),
    ),
    Broken(
        "version reference",
        _published(os_disk="imgrepl:golden/debian"),
        "InvalidVersionReference",
        5,
        ("golden/debian", "GALLERY/NAME/VERSION"),
    ),
    # galleries
    Broken(
        "known region",
        lambda world: gallery(world, location="mars"),
        "RegionNotFound",
        3,
        ("mars", "region"),
    ),
    Broken("gallery stays in its region", moved_gallery, "GalleryExists", 4, ("eastus", "update")),
    Broken(
        "gallery name is unique in its subscription",
        gallery_of_another_group,
        "GalleryExists",
        4,
        ("golden", "resource group default"),
    ),
    Broken(
        "days of retention",
        lambda world: gallery(world, bin_policy=GalleryChanges(soft_delete_retention_days=0)),
        "OutOfRange",
        5,
        ("0 days", "1 and 90"),
    ),
    Broken(
        "days of grace",
        lambda world: gallery(world, bin_policy=GalleryChanges(soft_delete_grace_days=91)),
        "OutOfRange",
        5,
        ("91 days", "0 and 90"),
    ),
    Broken(
        "number of tags",
        lambda world: gallery(world, tags={str(k): "" for k in range(51)}),
        "InvalidTag",
        5,
        ("51 tags", "at most 50"),
    ),
    Broken(
        "length of a tag's name",
        lambda world: gallery(world, tags={"n" * 513: ""}),
        "InvalidTag",
        5,
        ("513", "1 to 512"),
    ),
    Broken(
        "length of a tag's value",
        lambda world: gallery(world, tags={"n": "v" * 257}),
        "InvalidTag",
        5,
        ("257", "0 to 256"),
    ),
    Broken(
        "tag names are unique",
        lambda world: gallery(world, tags={"a": "", "A": ""}),
        "InvalidTag",
        5,
        ("'A'", "twice"),
    ),
    Broken("gallery is empty", with_children, "NotEmpty", 4, ("golden", "debian", "--recursive")),
    Broken(
        "galleries in a region",
        lambda world: second_scope(world, "galleries_max"),
        "LimitExceeded",
        5,
        ("1 galleries", "at most 1", "eastus"),
    ),
    # definitions
    Broken(
        "definition stays as it is",
        lambda world: another_of_its_name(world, os_state=OsState.SPECIALIZED),
        "DefinitionExists",
        4,
        ("os_state", "Specialized", "update"),
    ),
    Broken(
        "publisher, offer and SKU are unique",
        taken_identifier,
        "IdentifierConflict",
        4,
        ("contoso/debian/12", "debian", "at least one"),
    ),
    Broken(
        "field of a definition that cannot change",
        lambda world: edit(world, "osType=Windows"),
        "ImmutableProperty",
        4,
        ("osType", "description"),
    ),
    Broken(
        "features of a definition change",
        features_changed,
        "ImmutableProperty",
        4,
        ("features", "allowUpdateImage", "--allow-update-image"),
    ),
    Broken(
        "feature name",
        _definition(features={"Warp": "True"}),
        "InvalidFeature",
        5,
        ("Warp", "SecurityType", "DiskControllerTypes"),
    ),
    Broken(
        "feature value",
        _definition(features={"SecurityType": "Loose"}),
        "InvalidFeature",
        5,
        ("Loose", "TrustedLaunch"),
    ),
    Broken(
        "feature that starts at a version has a value",
        _definition(features_start_at={"IsHibernateSupported": VersionName(1, 2, 0)}),
        "InvalidFeature",
        5,
        ("IsHibernateSupported", "1.2.0"),
    ),
    Broken(
        "trusted launch needs the second generation",
        _definition(
            features={"SecurityType": "TrustedLaunch"}, hyper_v_generation=HyperVGeneration.V1
        ),
        "InvalidFeature",
        5,
        ("TrustedLaunch", "V1", "V2"),
    ),
    Broken(
        "recommended vCPUs",
        _definition(recommended_vcpus=Range(0, None)),
        "OutOfRange",
        5,
        ("vCPUs", "0", "1 and 1024"),
    ),
    Broken(
        "recommended memory",
        _definition(recommended_memory=Range(None, 99999)),
        "OutOfRange",
        5,
        ("memory", "99999", "1 and 32768"),
    ),
    Broken(
        "minimum not above maximum",
        _definition(recommended_memory=Range(8, 4)),
        "OutOfRange",
        5,
        ("memory", "8", "4"),
    ),
    Broken(
        "disallowed disk type",
        _definition(disallowed_disk_types=("Floppy",)),
        "InvalidDiskType",
        5,
        ("Floppy", "Standard_LRS"),
    ),
    Broken(
        "end of life of a definition",
        lambda world: definition(world, end_of_life_date=_soon(world, 0)),
        "OutOfRange",
        5,
        ("end of life", "future", "later"),
    ),
    Broken(
        "release notes",
        _definition(release_note_uri="notes.txt"),
        "InvalidUri",
        5,
        ("releaseNoteUri", "notes.txt", "https"),
    ),
    Broken(
        "privacy statement",
        _definition(privacy_statement_uri="ftp://x/y"),
        "InvalidUri",
        5,
        ("privacyStatementUri", "ftp://x/y", "https"),
    ),
    Broken(
        "purchase plan",
        _definition(purchase_plan=PurchasePlan("plan", "", "product")),
        "InvalidPurchasePlan",
        5,
        ("publisher", "0 characters", "1 to 128"),
    ),
    Broken("definition is empty", with_versions, "NotEmpty", 4, ("1.0.0", "--recursive")),
    Broken(
        "definitions in a region",
        lambda world: second_scope(world, "definitions_max"),
        "LimitExceeded",
        5,
        ("1 image definitions", "at most 1"),
    ),
    # versions
    Broken(
        "gallery is there",
        lambda world: creating.create(world.ctx, asked(world)),
        "GalleryNotFound",
        3,
        ("golden", "--create-parents"),
    ),
    Broken(
        "definition is there",
        lambda world: [gallery(world), creating.create(world.ctx, asked(world))],
        "DefinitionNotFound",
        3,
        ("debian", "--create-parents"),
    ),
    Broken(
        "version is there",
        lambda world: [definition(world), versions.show(world.ctx, DEBIAN, "7.0.0")],
        "VersionNotFound",
        3,
        ("7.0.0", "list"),
    ),
    Broken(
        "content of a version never changes",
        other_content,
        "VersionExists",
        4,
        ("1.0.0", "other content", "--auto-version"),
    ),
    Broken(
        "versions in a region",
        lambda world: second_scope(world, "versions_max"),
        "LimitExceeded",
        5,
        ("1 image versions", "at most 1"),
    ),
    Broken(
        "home region is a target",
        _published(location="eastus", target_regions=[TargetRequest("westeurope")]),
        "InvalidTargetRegions",
        5,
        ("eastus", "westeurope", "-l"),
    ),
    Broken(
        "target region named once",
        lambda _world: target_regions.parse(["East US=1", "eastus"]),
        "InvalidTargetRegions",
        5,
        ("eastus", "East US=1"),
    ),
    Broken(
        "target region is known",
        _published(target_regions=[TargetRequest("eastus"), TargetRequest("mars")]),
        "RegionNotFound",
        3,
        ("mars",),
    ),
    Broken(
        "replica count",
        _published(target_regions=[TargetRequest("eastus", 101)]),
        "OutOfRange",
        5,
        ("101", "1 to 100", "eastus"),
    ),
    Broken(
        "common replica count", _published(replica_count=0), "OutOfRange", 5, ("0 rep", "1 to 100")
    ),
    Broken(
        "storage account type is known",
        lambda _world: target_regions.parse(["eastus=floppy"]),
        "InvalidStorageAccountType",
        5,
        ("floppy", "Standard_ZRS"),
    ),
    Broken(
        "storage account type or strategy",
        _published(
            storage_account_type=ZRS,
            storage_account_strategy=StorageAccountStrategy.PREFER_STANDARD_ZRS,
        ),
        "InvalidStorageAccountType",
        5,
        ("Standard_ZRS", "PreferStandard_ZRS", "one of them"),
    ),
    Broken(
        "storage account type is offered",
        _published(target_regions=[TargetRequest("eastus", 1, ZRS)]),
        "StorageTypeNotOffered",
        5,
        ("eastus", "Standard_ZRS", "Standard_LRS", "--zone"),
    ),
    Broken(
        "end of life of a version",
        lambda world: publish(world, end_of_life_date=_soon(world, -1)),
        "OutOfRange",
        5,
        ("end of life", "future"),
    ),
    Broken("source is there", missing_file, "SourceNotFound", 3, ("none.vhd",)),
    Broken(
        "source matches the definition",
        lambda world: from_version(world, os_type=OsType.WINDOWS),
        "SourceMismatch",
        5,
        ("osType", "Windows", "Linux", "same values"),
    ),
    Broken(
        "disk size",
        lambda world: publish(tight(world, disk_bytes_max=1 << 20)),
        "DiskTooLarge",
        5,
        (str(16 << 20), str(1 << 20), "disk_bytes_max"),
    ),
    Broken(
        "LUN of a data disk",
        _published(data_disks={64: "data.raw"}),
        "InvalidDiskLayout",
        5,
        ("64", "0 to 63"),
    ),
    Broken(
        "source of each disk is its own",
        lambda world: publish(world, data_disks={0: str(world.disk())}),
        "InvalidDiskLayout",
        5,
        ("debian.raw", "two disks"),
    ),
    Broken(
        "version as a source brings all its disks",
        lambda world: [
            version(world),
            creating.create(
                world.ctx,
                asked(world, os_disk="imgrepl:golden/debian/1.0.0", data_disks={0: "data.raw"}),
            ),
        ],
        "InvalidDiskLayout",
        5,
        ("all of its disks", "no data disks"),
    ),
    Broken(
        "host caching is of a disk that is there",
        _published(host_caching={5: HostCaching.READ_ONLY}),
        "InvalidDiskLayout",
        5,
        ("LUN 5",),
    ),
    Broken(
        "region to wait for is a target",
        lambda world: waiting.wait(world.ctx, version(world).id, WaitFor.parse("region=mars")),
        "InvalidWaitFor",
        5,
        ("mars", "eastus"),
    ),
    Broken(
        "milestone to wait for",
        lambda _world: WaitFor.parse("some"),
        "InvalidWaitFor",
        5,
        ("'some'", "region=NAME"),
    ),
    Broken("budget", over_budget, "BudgetExceeded", 5, ("budget", "0.00", "budget_monthly_usd")),
    # updates
    Broken("changed meanwhile", seen_before, "ChangedMeanwhile", 4, ("stale.7", "etag", "again")),
    Broken(
        "storage account type of a region stays",
        another_type,
        "ImmutableProperty",
        4,
        ("zonal", "Standard_ZRS", "Standard_LRS", "add it again"),
    ),
    Broken(
        "home region stays",
        lambda world: update(world, remove_regions=("eastus",)),
        "InvalidTargetRegions",
        5,
        ("eastus", "home region"),
    ),
    Broken(
        "a target region is left",
        lambda world: update(world, target_regions=[]),
        "InvalidTargetRegions",
        5,
        ("no target region", "eastus"),
    ),
    Broken(
        "region to leave is a target",
        lambda world: update(world, remove_regions=("westeurope",)),
        "InvalidTargetRegions",
        5,
        ("westeurope", "eastus"),
    ),
    Broken(
        "regions are kept by the safety profile",
        kept_in_regions,
        "DeletionBlocked",
        4,
        ("westeurope", "--allow-replicated-location-deletion"),
    ),
    Broken(
        "replica count of an update",
        lambda world: update(world, replica_count=0),
        "OutOfRange",
        5,
        ("0 replicas", "1 to 100"),
    ),
    Broken(
        "exclusion is of a target region",
        lambda world: update(world, exclude_from_latest_in={"westeurope": True}),
        "InvalidTargetRegions",
        5,
        ("westeurope", "eastus"),
    ),
    Broken("staged version cannot change", staged, "VersionStaged", 4, ("1.0.0", "wait")),
    Broken(
        "path of an edit",
        lambda world: edit(world, "nonsense=1"),
        "InvalidPath",
        5,
        ("nonsense", "osType"),
    ),
    Broken(
        "value of an edit",
        lambda world: edit(world, "recommended.memory.min=much"),
        "InvalidValue",
        5,
        ("recommended.memory", "much"),
    ),
    # the end of a version
    Broken("end of life guards", guarded, "DeletionBlocked", 4, ("end of life", "false")),
    Broken(
        "version in the bin cannot change",
        lambda world: updating.update(world.ctx, binned(world).id, UpdateVersion(tags={"a": "b"})),
        "VersionSoftDeleted",
        4,
        ("1.0.0", "undelete"),
    ),
    Broken("use of a version in the bin", used_too_late, "ConsumptionEnded", 4, ("until",)),
    Broken(
        "time in the bin",
        lambda world: version_bin.undelete(world.ctx, binned(world, days=0).id),
        "HardDeletionDue",
        4,
        ("1.0.0", "--soft-delete-retention-days"),
    ),
    Broken(
        "purge takes what lies in the bin",
        lambda world: version_bin.purge(world.ctx, version(world).id),
        "NotSoftDeleted",
        4,
        ("1.0.0", "--bypass-soft-delete"),
    ),
    Broken(
        "recursive deletion goes past the bin",
        past_the_bin,
        "SoftDeleteEnabled",
        4,
        ("golden", "--bypass-soft-delete"),
    ),
    Broken("deletion that was begun", marked, "MarkedForDeletion", 4, ("1.0.0", "delete")),
    Broken(
        "move of a provisioning state",
        illegal_move,
        "IllegalStateMove",
        4,
        ("Succeeded", "Creating", "Deleting, Failed, Updating"),
    ),
    Broken(
        "move of a replica's state",
        illegal_replica_move,
        "IllegalStateMove",
        4,
        ("Completed", "Unknown", "Replicating"),
    ),
    # latest, retention, advice
    Broken(
        "latest in a region",
        elsewhere_only,
        "NotAvailableInRegion",
        3,
        ("westeurope", "eastus", "--region"),
    ),
    Broken("a version that may be latest", every_one_excluded, "NoLatestVersion", 3, ("excluded",)),
    Broken(
        "a rule that keeps something",
        lambda _world: RetentionRules().check(),
        "NoRetentionRule",
        5,
        ("--keep-last",),
    ),
    Broken(
        "how many to keep",
        lambda _world: RetentionRules(keep_last=0).check(),
        "OutOfRange",
        5,
        ("last 0", "at least 1"),
    ),
    Broken(
        "how long to keep",
        lambda _world: RetentionRules(keep_newer_than=timedelta(days=-1)).check(),
        "OutOfRange",
        5,
        ("keepNewerThan", "at least 0"),
    ),
    Broken(
        "machines of a deployment",
        lambda _world: Deployment(vms=0),
        "OutOfRange",
        5,
        ("0 VMs", "at least one"),
    ),
    Broken(
        "instances of a scale set",
        lambda _world: Deployment(scale_sets=1, instances=1001),
        "OutOfRange",
        5,
        ("1001", "1 to 1000"),
    ),
    # regions, costs and work in progress
    Broken(
        "URL of a region",
        lambda world: regions.add(
            world.ctx, replace(samples.region("north"), standard=(Endpoint(url="ftp://x"),))
        ),
        "InvalidRegionUrl",
        5,
        ("ftp://x", "s3://", "file:///"),
    ),
    Broken("zones of a region", two_zones, "InvalidZones", 5, ("2 zones", "none or 3", "--zone")),
    Broken("regions do not overlap", overlapping, "RegionsOverlap", 5, ("inner", "eastus")),
    Broken("region is not in use", used_region, "RegionInUse", 4, ("eastus",)),
    Broken("price list is there", no_prices, "PricesNotFound", 3, ("none.toml",)),
    Broken("price list", wrong_prices, "InvalidPrices", 5, ("dozen", "GiB")),
    Broken("month", lambda _world: Month.parse("2026-13"), "InvalidMonth", 5, ("2026-13", "12")),
    Broken("nobody is at work on it", busy, "OperationBusy", 4, ("1.0.0", "operation cancel")),
    Broken("time to wait", waited_too_long, "WaitTimedOut", 7, ("2 s", "status")),
    Broken(
        "disk is there",
        lambda world: versions.disk_of(version(world), 9),
        "DiskNotFound",
        3,
        ("LUN 9", "os"),
    ),
)
