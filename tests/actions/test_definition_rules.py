"""Features since a version, sources of one kind, host caching and the storage strategy."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actions.broken_rules import DEBIAN, GOLDEN, debian, definition, gallery, version
from engine.world import World, open_world
from gallery import samples
from imgrepl.actions import creating, definitions, galleries, index, updating, versions
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.gallery import regions
from imgrepl.model.gallery import (
    HostCaching,
    HyperVGeneration,
    ImageIdentifier,
    OsState,
    OsType,
    StorageAccountStrategy,
    VersionName,
)
from imgrepl.model.region import Endpoint, StorageAccountType

ZRS = StorageAccountType.STANDARD_ZRS


def test_features_change_only_where_the_definition_allows_it(world: World) -> None:
    definition(world, features={"SecurityType": "TrustedLaunch"})
    changes = DefinitionChanges(
        features={"securitytype": "TrustedLaunch", "IsHibernateSupported": "True"},
        features_start_at={"ishibernatesupported": VersionName(1, 2, 0)},
        allow_update_image=True,
    )
    changed = definitions.update(world.ctx, DEBIAN, changes)
    assert changed.features == {"SecurityType": "TrustedLaunch", "IsHibernateSupported": "True"}
    assert changed.features_start_at == {"IsHibernateSupported": VersionName(1, 2, 0)}
    assert definitions.show(world.ctx, DEBIAN) == changed
    later = DefinitionChanges(features={"SecurityType": "Standard"})
    assert definitions.update(world.ctx, DEBIAN, later).features_start_at == {}


def test_the_same_features_are_no_change_where_none_is_allowed(world: World) -> None:
    definition(world, features={"SecurityType": "TrustedLaunch"})
    before = definitions.show(world.ctx, DEBIAN)
    again = DefinitionChanges(features={"SECURITYTYPE": "trustedlaunch"})
    assert definitions.update(world.ctx, DEBIAN, again) == before


def test_a_definition_made_on_the_way_is_like_that_of_its_source(world: World) -> None:
    gallery(world)
    ubuntu = GOLDEN.definition("ubuntu")
    wanted = debian(
        id=ubuntu,
        identifier=ImageIdentifier("contoso", "ubuntu", "24"),
        os_type=OsType.WINDOWS,
        os_state=OsState.SPECIALIZED,
        hyper_v_generation=HyperVGeneration.V1,
    )
    definitions.create(world.ctx, wanted)
    request = replace(world.request(regions=["eastus"]), id=ubuntu.version(VersionName(1, 0, 0)))
    creating.create(world.ctx, request)
    copied = replace(world.request(regions=["eastus"]), os_disk="imgrepl:golden/ubuntu/1.0.0")
    view = creating.create(world.ctx, copied)
    made = definitions.show(world.ctx, DEBIAN)
    assert (made.os_type, made.os_state) == (OsType.WINDOWS, OsState.SPECIALIZED)
    assert made.hyper_v_generation is HyperVGeneration.V1
    assert view.version.content_ids == versions.view(world.ctx, request.id).version.content_ids


def test_host_caching_is_kept_copied_and_rebuilt(world: World) -> None:
    world.publish(regions=["eastus"], host_caching={None: HostCaching.READ_ONLY})
    copy = world.request("2.0.0", regions=["eastus"], os_disk="imgrepl:golden/debian/1.0.0")
    creating.create(world.ctx, copy)
    for name in ("1.0.0", "2.0.0"):
        (disk,) = world.view(name).version.disks
        assert disk.host_caching is HostCaching.READ_ONLY
    with open_world(world.folder / "new", buckets=world.buckets) as new:
        index.rebuild(new.ctx, ["eastus"])
        assert new.view("2.0.0").version.disks[0].host_caching is HostCaching.READ_ONLY


def test_a_strategy_takes_zones_where_there_are_some(world: World) -> None:
    zones = tuple(Endpoint(url=f"s3://zone{k}") for k in range(3))
    with world.index.begin() as tx:
        regions.add(tx, replace(samples.region("zonal"), zones=zones))
    prefer = StorageAccountStrategy.PREFER_STANDARD_ZRS
    plain = StorageAccountStrategy.DEFAULT_STANDARD_LRS
    asked = world.request(regions=["zonal", TargetRequest("eastus", 2)])
    kinds = []
    for strategy in (prefer, plain):
        request = replace(asked, storage_account_strategy=strategy)
        view = creating.create(world.ctx, request, dry_run=True)
        kinds.append([target.storage_account_type.value for target in view.version.target_regions])
    assert kinds == [["Standard_ZRS", "Standard_LRS"], ["Standard_LRS", "Standard_LRS"]]


def test_a_region_that_is_added_later_follows_the_strategy(world: World) -> None:
    zones = tuple(Endpoint(url=f"s3://zone{k}") for k in range(3))
    with world.index.begin() as tx:
        regions.add(tx, replace(samples.region("zonal"), zones=zones))
    made = version(world, storage_account_strategy=StorageAccountStrategy.PREFER_STANDARD_ZRS)
    change = UpdateVersion(add_regions=[TargetRequest("zonal")])
    view = updating.update(world.ctx, made.id, change, dry_run=True)
    assert view.version.target_regions[1].storage_account_type is ZRS


def test_an_end_of_life_of_a_version_is_taken_away_again(world: World) -> None:
    end = world.ctx.clock.now() + timedelta(days=9)
    made = version(world, end_of_life_date=end)
    kept = UpdateVersion(end_of_life_date=end)
    assert updating.update(world.ctx, made.id, kept).version.revision == made.revision
    cleared = updating.update(world.ctx, made.id, UpdateVersion(clear_end_of_life=True))
    assert cleared.version.end_of_life_date is None


def test_a_gallery_is_found_in_any_spelling_of_its_group(world: World) -> None:
    gallery(world)
    assert galleries.show(world.ctx, replace(GOLDEN, group="DEFAULT")).id == GOLDEN


@pytest.mark.parametrize("lun", [0, 63])
def test_the_first_and_the_last_lun_are_taken(world: World, lun: int) -> None:
    data = world.disk("data", like="debian")
    view = world.publish(regions=["eastus"], data_disks={lun: str(data)})
    assert [disk.lun for disk in view.version.disks] == [None, lun]
