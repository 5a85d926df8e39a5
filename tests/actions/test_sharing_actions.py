"""Roles, direct shares, community galleries: given, used, taken away, kept in the records."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.world import REGIONS, World, open_world
from imgrepl.actions import (
    activity,
    consuming,
    copying,
    creating,
    definitions,
    deleting,
    downloads,
    galleries,
    granting,
    index,
    sharing,
    sharing_status,
    updating,
    version_deleting,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.copying import CopyVersion
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.deleting import DeleteParent
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.granting import How
from imgrepl.actions.sharing import Consumers
from imgrepl.actions.sharing_profiles import SharingRequest
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.azure import shapes, sharing_shapes
from imgrepl.errors import Conflict, ImgreplError, Invalid, NotAllowed, NotFound
from imgrepl.gallery import schema
from imgrepl.gallery.activity import ActivityFilter
from imgrepl.model import policy
from imgrepl.model.etags import etag_of
from imgrepl.model.gallery import DefinitionId, Gallery, GalleryId, VersionId, VersionName
from imgrepl.model.policy import Action, Via
from imgrepl.model.sharing import (
    Assignee,
    Caller,
    InvitationState,
    Role,
    SharingPermission,
)
from imgrepl.testing.faulty import Crashed, Fault, FaultKind

ALICE = Assignee.parse("alice")
COMMUNITY = SharingRequest(
    permissions=SharingPermission.COMMUNITY,
    publisher_uri="https://contoso.example",
    publisher_contact="images@contoso.example",
    eula="https://contoso.example/eula",
    public_name_prefix="contoso",
)
GROUPS = SharingRequest(permissions=SharingPermission.GROUPS)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gallery whose definition has two versions, in one region."""
    with open_world(tmp_path_factory.mktemp("sharing") / "world") as opened:
        opened.publish("1.0.0", regions=["eastus"])
        opened.publish("1.1.0", regions=["eastus"])
        yield opened


@pytest.fixture
def world(published: World, tmp_path: Path) -> Iterator[World]:
    """A copy of it, to be changed."""
    with published.twin(tmp_path / "twin") as twin:
        yield twin


def acting(world: World, who: str) -> Context:
    """What the caller `who`, who owns nothing, is handed."""
    caller = Caller.parse(who)
    return replace(world.ctx, principal=caller.name, acting=caller, owner="tester")


def give(
    world: World, scope: GalleryId | DefinitionId | VersionId, role: Role, who: str = "alice"
) -> None:
    granting.grant(world.ctx, scope, Assignee.parse(who), role)


def share(world: World, request: SharingRequest) -> Gallery:
    changes = GalleryChanges(sharing=request)
    return galleries.update(world.ctx, world.definition.gallery, changes)


def code_of(raised: pytest.ExceptionInfo[ImgreplError]) -> str:
    return raised.value.code


def test_a_role_on_a_version_opens_that_version_alone(world: World) -> None:
    give(world, world.id("1.0.0"), Role.READER)
    alice = acting(world, "alice")

    assert versions.show(alice, world.definition, "1.0.0").version.id == world.id("1.0.0")
    assert [view.version.id for view in versions.list_of(alice, world.definition)] == [
        world.id("1.0.0")
    ]
    for name in ("1.1.0", "latest"):
        with pytest.raises(NotAllowed, match="alice may not do"):
            versions.show(alice, world.definition, name)
    with pytest.raises(NotAllowed):
        definitions.show(alice, world.definition)
    with pytest.raises(NotAllowed):
        galleries.show(alice, world.definition.gallery)
    assert galleries.list_all(alice) == []


def test_a_role_on_a_definition_opens_it_and_its_versions_but_not_the_gallery(
    world: World,
) -> None:
    give(world, world.definition, Role.READER)
    alice = acting(world, "ALICE")

    assert versions.show(alice, world.definition, "latest").version.id == world.id("1.1.0")
    assert definitions.show(alice, world.definition).id == world.definition
    assert definitions.list_of(alice, world.definition.gallery)[0].id == world.definition
    with pytest.raises(NotAllowed):
        galleries.show(alice, world.definition.gallery)


def test_a_reader_downloads_and_changes_nothing(world: World, tmp_path: Path) -> None:
    give(world, world.definition.gallery, Role.READER)
    alice = acting(world, "alice")
    request = DownloadRequest(
        definition=world.definition, name="latest", file=str(tmp_path / "out")
    )

    assert downloads.download(alice, request)["region"] == "eastus"
    for refused in (
        lambda: updating.update(alice, world.id("1.0.0"), UpdateVersion(replica_count=2)),
        lambda: version_deleting.delete(alice, world.id("1.0.0"), dry_run=True),
        lambda: creating.create(alice, world.request("2.0.0"), dry_run=True),
        lambda: definitions.update(alice, world.definition, DefinitionChanges(description="x")),
        lambda: granting.grant(alice, world.definition, ALICE, Role.OWNER),
    ):
        with pytest.raises(NotAllowed) as raised:
            refused()
        assert raised.value.details == (
            f"alice has Reader on golden, which does not include {_action_in(raised.value)}",
        )


def _action_in(error: ImgreplError) -> str:
    match = re.search(r"may not do (\S+) on", error.message)
    assert match is not None
    return match[1]


def test_a_contributor_publishes_and_deletes_but_gives_no_roles_and_shares_nothing(
    world: World,
) -> None:
    give(world, world.definition.gallery, Role.CONTRIBUTOR)
    share(world, GROUPS)
    alice = acting(world, "alice")

    made = creating.create(alice, world.request("2.0.0", regions=["eastus"]))
    assert made.version.committed
    version_deleting.delete(alice, world.id("2.0.0"))
    for refused in (
        lambda: granting.grant(alice, world.definition.gallery, ALICE, Role.OWNER),
        lambda: granting.revoke(alice, world.definition.gallery, ALICE),
        lambda: sharing.invite(alice, world.definition.gallery, Consumers(tenants=["t"])),
        lambda: sharing.reset(alice, world.definition.gallery),
        lambda: galleries.update(
            alice, world.definition.gallery, GalleryChanges(soft_delete_enabled=True)
        ),
        lambda: galleries.create(alice, GalleryId(gallery="silver"), location="eastus"),
    ):
        with pytest.raises(NotAllowed):
            refused()


def test_a_sharing_admin_shares_and_keeps_a_bin_and_reads_no_image(world: World) -> None:
    give(world, world.definition.gallery, Role.SHARING_ADMIN)
    admin = acting(world, "alice")
    gallery_id = world.definition.gallery

    galleries.update(admin, gallery_id, GalleryChanges(sharing=GROUPS, soft_delete_enabled=True))
    invited = sharing.invite(admin, gallery_id, Consumers(subscriptions=["contoso"]))

    assert invited.soft_delete_enabled
    assert invited.sharing.invitations[0].invited_by == "alice"
    with pytest.raises(NotAllowed):
        galleries.update(admin, gallery_id, GalleryChanges(description="mine"))
    with pytest.raises(NotAllowed):
        versions.show(admin, world.definition, "1.0.0")


def test_an_owner_of_a_definition_gives_roles_on_it_and_not_above_it(world: World) -> None:
    give(world, world.definition, Role.OWNER, "group:leads")
    lead = acting(world, "carol,group=Leads")

    granting.grant(lead, world.id("1.0.0"), ALICE, Role.READER)
    with pytest.raises(NotAllowed):
        granting.grant(lead, world.definition.gallery, ALICE, Role.READER)
    found = granting.list_of(lead, world.id("1.0.0"))
    assert {(one.who, one.role, one.scope, one.by) for one in found} == {
        ("group:leads", Role.OWNER, world.definition, "tester"),
        ("alice", Role.READER, world.id("1.0.0"), "carol"),
    }


def test_a_role_is_given_once_and_taken_away_where_it_was_given(world: World) -> None:
    gallery_id = world.definition.gallery
    first = granting.grant(world.ctx, gallery_id, ALICE, Role.READER)
    revision = galleries.show(world.ctx, gallery_id).revision

    assert granting.grant(world.ctx, gallery_id, Assignee.parse("Alice"), Role.READER) == first
    assert galleries.show(world.ctx, gallery_id).revision == revision
    with pytest.raises(NotFound) as raised:
        granting.revoke(world.ctx, world.definition, ALICE, Role.READER)
    assert code_of(raised) == "GrantNotFound"
    assert raised.value.details == ("Reader on golden is where alice has a role",)
    assert granting.revoke(world.ctx, gallery_id, ALICE) == [Role.READER]
    with pytest.raises(NotAllowed):
        galleries.show(acting(world, "alice"), gallery_id)


def test_roles_have_a_limit_and_an_etag(world: World) -> None:
    world.ctx = replace(world.ctx, limits=replace(world.ctx.limits, grants_max=1))
    give(world, world.definition, Role.READER)
    with pytest.raises(Invalid) as raised:
        give(world, world.definition, Role.OWNER)
    assert code_of(raised) == "LimitExceeded"
    with pytest.raises(Conflict) as changed:
        granting.revoke(world.ctx, world.definition, ALICE, if_match="old")
    assert code_of(changed) == "ChangedMeanwhile"


def test_a_gallery_that_is_made_again_has_none_of_the_old_ones_roles(world: World) -> None:
    give(world, world.definition.gallery, Role.OWNER)
    give(world, world.id("1.0.0"), Role.READER)
    deleting.delete_gallery(world.ctx, world.definition.gallery, DeleteParent(recursive=True))
    world.publish("1.0.0", regions=["eastus"])

    assert granting.list_of(world.ctx, world.id("1.0.0")) == []
    assert granting.list_mine(acting(world, "alice")) == []


def test_what_a_version_is_made_from_must_be_readable(world: World) -> None:
    galleries.create(world.ctx, GalleryId(gallery="silver"), location="eastus")
    give(world, GalleryId(gallery="silver"), Role.CONTRIBUTOR)
    target = GalleryId(gallery="silver").definition("copy")
    request = replace(
        world.request("1.0.0", regions=["eastus"]),
        id=target.version(world.id("1.0.0").version),
        os_disk="imgrepl:golden/debian/1.0.0",
    )
    alice = acting(world, "alice")

    with pytest.raises(NotAllowed, match="versions/read on golden/debian"):
        creating.create(alice, request)
    give(world, world.id("1.0.0"), Role.READER)
    assert creating.create(alice, request).version.committed


def test_a_direct_share_is_read_once_it_was_accepted_and_no_more_once_it_ended(
    world: World,
) -> None:
    share(world, GROUPS)
    gallery_id = world.definition.gallery
    sharing.invite(
        world.ctx, gallery_id, Consumers(subscriptions=["contoso", "Contoso"], tenants=["fabrikam"])
    )
    bob, eve = acting(world, "bob,subscription=Contoso"), acting(world, "eve,subscription=other")
    by_unique_name = GalleryId(gallery="default-GOLDEN")

    with pytest.raises(NotAllowed) as pending:
        versions.show(bob, world.definition, "latest")
    assert "is pending, not accepted" in pending.value.details[0]
    assert [found.state for _, found in consuming.list_invitations(bob)] == [
        InvitationState.PENDING
    ]
    assert consuming.list_invitations(eve) == []
    with pytest.raises(NotAllowed):
        consuming.answer(eve, by_unique_name, accept=True)

    consuming.answer(bob, by_unique_name, accept=True)
    seen = versions.show(bob, by_unique_name.definition("debian"), "latest").version
    assert seen.id == world.id("1.1.0")
    assert [one.id for one in consuming.list_shared(bob, SharingPermission.GROUPS)] == [gallery_id]
    assert consuming.list_shared(eve, SharingPermission.GROUPS) == []
    here = consuming.list_shared(bob, SharingPermission.GROUPS, "East US")
    assert [one.id for one in here] == [gallery_id]
    assert consuming.list_shared(bob, SharingPermission.GROUPS, "westeurope") == []
    with pytest.raises(NotFound, match="not shared as Groups in westeurope"):
        consuming.show_shared(bob, by_unique_name, SharingPermission.GROUPS, "westeurope")
    assert galleries.show(bob, gallery_id).sharing.invitations == ()
    with pytest.raises(NotAllowed):
        granting.list_of(bob, gallery_id)
    assert [(one.how, one.known_as) for one in granting.list_mine(bob)] == [
        (How.DIRECT_SHARE, "default-GOLDEN")
    ]

    consuming.answer(bob, by_unique_name, accept=False)
    with pytest.raises(NotAllowed):
        versions.show(bob, world.definition, "latest")
    sharing.invite(world.ctx, gallery_id, Consumers(subscriptions=["contoso"]))
    consuming.answer(bob, by_unique_name, accept=True)
    sharing.uninvite(world.ctx, gallery_id, Consumers(subscriptions=["CONTOSO"]))
    with pytest.raises(NotAllowed):
        versions.show(bob, world.definition, "latest")
    with pytest.raises(NotFound) as gone:
        sharing.uninvite(world.ctx, gallery_id, Consumers(subscriptions=["contoso"]))
    assert code_of(gone) == "InvitationNotFound"


@pytest.mark.parametrize(
    ("most", "noun"),
    [("shared_subscriptions_max", "subscription"), ("shared_tenants_max", "tenant")],
)
def test_a_gallery_is_shared_with_as_many_as_the_limit_says(
    world: World, most: str, noun: str
) -> None:
    share(world, GROUPS)
    limits = replace(world.ctx.limits, **{most: 2})
    assert getattr(world.ctx.limits, most) == {"subscription": 30, "tenant": 5}[noun]
    ctx = replace(world.ctx, limits=limits)
    gallery_id = world.definition.gallery
    assert (world.ctx.limits.shared_subscriptions_max, world.ctx.limits.shared_tenants_max) == (
        30,
        5,
    )

    sharing.invite(ctx, gallery_id, Consumers(**{f"{noun}s": ["a", "b"]}))
    with pytest.raises(Invalid) as raised:
        sharing.invite(ctx, gallery_id, Consumers(**{f"{noun}s": ["c"]}))
    assert code_of(raised) == "LimitExceeded"
    assert f"3 {noun}s; at most 2" in raised.value.message


def test_only_a_gallery_that_may_be_shared_is_shared(world: World) -> None:
    gallery_id = world.definition.gallery
    refusals: list[Callable[[], object]] = [
        lambda: sharing.invite(world.ctx, gallery_id, Consumers(tenants=["t"])),
        lambda: sharing.enable_community(world.ctx, gallery_id),
    ]
    for refused in refusals:
        with pytest.raises(Conflict) as raised:
            refused()
        assert code_of(raised) == "SharingNotEnabled"
        assert "gallery update -r golden --permissions" in (raised.value.hint or "")
    share(world, GROUPS)
    with pytest.raises(Conflict) as shared:
        share(world, COMMUNITY)
    assert code_of(shared) == "ImmutableProperty"


def test_a_community_gallery_is_everybodys_by_its_public_name_until_it_is_reset(
    world: World,
) -> None:
    gallery = share(world, COMMUNITY)
    assert gallery.sharing.community is not None
    public_name = gallery.sharing.community.public_name
    assert re.fullmatch(r"contoso-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", public_name)
    anybody, public = acting(world, "anybody"), GalleryId(gallery=public_name)

    with pytest.raises(NotAllowed):
        versions.show(anybody, public.definition("debian"), "latest")
    assert consuming.list_shared(anybody, SharingPermission.COMMUNITY) == []
    sharing.enable_community(world.ctx, world.definition.gallery)

    seen = versions.show(anybody, public.definition("debian"), "latest").version
    assert seen.id == world.id("1.1.0")
    assert [one.id for one in definitions.list_of(anybody, public)] == [world.definition]
    assert consuming.show_shared(anybody, public, SharingPermission.COMMUNITY).location == "eastus"
    with pytest.raises(NotAllowed):
        updating.update(anybody, world.id("1.1.0"), UpdateVersion(replica_count=2))
    with pytest.raises(Invalid) as named:
        updating.update(
            world.ctx,
            public.definition("debian").version(world.id("1.1.0").version),
            UpdateVersion(replica_count=2),
        )
    assert code_of(named) == "ConsumersName"
    with pytest.raises(Conflict) as shared:
        deleting.delete_gallery(world.ctx, gallery.id, DeleteParent(recursive=True))
    assert code_of(shared) == "GalleryShared"
    assert len(versions.list_of(world.ctx, world.definition)) == 2

    sharing.reset(world.ctx, gallery.id)
    with pytest.raises(NotAllowed):
        versions.show(anybody, public.definition("debian"), "latest")
    deleting.delete_gallery(world.ctx, gallery.id, DeleteParent(recursive=True))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"eula": None}, "CommunityInfoMissing"),
        ({"publisher_uri": ""}, "CommunityInfoMissing"),
        ({"publisher_uri": "contoso"}, "InvalidUri"),
        ({"publisher_contact": "nobody"}, "InvalidContact"),
        ({"public_name_prefix": "ab"}, "InvalidPrefix"),
        ({"public_name_prefix": "with-dash"}, "InvalidPrefix"),
        ({"public_name_prefix": "a" * 17}, "InvalidPrefix"),
        ({"permissions": SharingPermission.GROUPS}, "CommunityInfoUnused"),
    ],
)
def test_what_a_community_gallery_tells_everybody_is_checked(
    world: World, changes: dict[str, str], code: str
) -> None:
    with pytest.raises(Invalid) as raised:
        share(world, replace(COMMUNITY, **changes))  # type: ignore[arg-type]
    assert code_of(raised) == code
    assert galleries.show(world.ctx, world.definition.gallery).sharing.community is None


def test_all_in_a_shared_gallery_has_its_home_where_the_gallery_has_its(world: World) -> None:
    share(world, GROUPS)
    with pytest.raises(Invalid) as raised:
        creating.create(world.ctx, world.request("3.0.0", regions=["westeurope"]), dry_run=True)
    assert code_of(raised) == "NotShareable"
    assert "westeurope" in raised.value.details[0]
    copy = CopyVersion(
        source=world.definition, name="1.0.0", id=world.id("3.0.0"), location="westeurope"
    )
    with pytest.raises(Invalid) as copied:
        copying.copy(world.ctx, copy, dry_run=True)
    assert code_of(copied) == "NotShareable"


def test_the_profile_and_its_status_are_shown_as_azure_shows_them(world: World) -> None:
    share(world, GROUPS)
    gallery_id = world.definition.gallery
    invited = sharing.invite(
        world.ctx, gallery_id, Consumers(subscriptions=["s1", "s2"], tenants=["t1"])
    )
    told = sharing_status.regions_told(world.ctx, invited)
    shown = shapes.gallery(invited, sharing_status=sharing_shapes.status(told))

    assert shown["identifier"] == {"uniqueName": "default-GOLDEN"}
    assert shown["sharingProfile"] == {
        "permissions": "Groups",
        "groups": [
            {"type": "Subscriptions", "ids": ["s1", "s2"]},
            {"type": "AADTenants", "ids": ["t1"]},
        ],
        "communityGalleryInfo": None,
    }
    assert shown["sharingStatus"] == {
        "aggregatedState": "Succeeded",
        "summary": [{"region": "eastus", "state": "Succeeded", "details": ""}],
    }


def test_a_role_is_given_to_all_of_them_or_to_none(world: World) -> None:
    golden = world.definition.gallery
    both = [ALICE, Assignee.parse("group:leads")]
    etag = etag_of(galleries.show(world.ctx, golden))
    assert len(granting.grant_each(world.ctx, golden, both, Role.READER, if_match=etag)) == 2
    unknown = [*both, Assignee.parse("mallory")]
    with pytest.raises(NotFound) as raised:
        granting.revoke_each(world.ctx, golden, unknown, Role.READER)
    assert raised.value.code == "GrantNotFound"
    assert len(granting.list_of(world.ctx, golden)) == 2
    world.ctx = replace(world.ctx, limits=replace(world.ctx.limits, grants_max=3))
    more = [Assignee.parse("bob"), Assignee.parse("carol")]
    with pytest.raises(Invalid):
        granting.grant_each(world.ctx, golden, more, Role.READER)
    assert len(granting.list_of(world.ctx, golden)) == 2
    assert granting.revoke_each(world.ctx, golden, both) == [Role.READER, Role.READER]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(NotAllowed) as raised:
        call()
    error = raised.value
    return f"{error.message} | {error.details} | {error.hint} | {error.target}"


@pytest.mark.parametrize(
    ("name", "free"), [("golden", "bronze"), ("default-GOLDEN", "default-BRONZE")]
)
def test_a_stranger_is_told_the_same_of_what_is_there_and_of_what_is_not(
    world: World, name: str, free: str
) -> None:
    give(world, world.definition.gallery, Role.OWNER, "alice")
    share(world, GROUPS)
    sharing.invite(world.ctx, world.definition.gallery, Consumers(tenants=["contoso"]))
    eve = acting(world, "eve")
    there, nowhere = GalleryId(gallery=name), GalleryId(gallery=free)
    for asked in (
        lambda one: galleries.show(eve, one),
        lambda one: versions.list_of(eve, one.definition("debian")),
        lambda one: version_deleting.delete(
            eve, one.definition("debian").version(VersionName(1, 0, 0))
        ),
    ):
        said = refused(partial(asked, there))
        assert said == refused(partial(asked, nowhere)).replace(free, name)
        assert "alice" not in said
    explained = granting.explain(eve, Caller(name="eve"), there)
    assert {policy.scope_name(one.scope) for one in explained} == {name}
    logged = activity.list_recent(world.ctx, 9, ActivityFilter(outcome="Refused"))
    assert {one.target for one in logged[1::2]} == {
        "golden",
        "golden/debian",
        "golden/debian/1.0.0",
    }


def test_a_refusal_says_of_a_role_further_in_that_it_does_not_reach_up(world: World) -> None:
    give(world, world.definition, Role.OWNER, "alice")
    with pytest.raises(NotAllowed) as refused:
        galleries.show(acting(world, "alice"), world.definition.gallery)
    (reason,) = refused.value.details
    assert reason == "alice has Owner on golden/debian, which does not reach up to golden"
    with pytest.raises(NotAllowed) as other:
        galleries.show(acting(world, "bob"), world.definition.gallery)
    assert "alice" not in str(other.value.details)


def status_of(world: World, ctx: Context | None = None) -> tuple[str, dict[str, str]]:
    """The aggregated state, and each region's state with the first word of its details."""
    asking = ctx or world.ctx
    gallery = galleries.show(asking, world.definition.gallery)
    status = sharing_shapes.status(sharing_status.regions_told(asking, gallery))
    if status is None:
        return "", {}
    summary = {
        one["region"]: f"{one['state']} {one['details'].partition(':')[0]}".strip()
        for one in status["summary"]
    }
    return status["aggregatedState"], summary


def test_a_region_that_was_away_has_failed_and_the_same_command_tells_it(world: World) -> None:
    world.update("1.0.0", add_regions=[TargetRequest("westeurope", 1)])
    share(world, GROUPS)
    world.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    tenants = Consumers(tenants=["t1"])
    sharing.invite(world.ctx, world.definition.gallery, tenants)
    failed = {"eastus": "Succeeded", "westeurope": "Failed ConnectionLost"}
    assert status_of(world) == ("Failed", failed)
    (logged,) = activity.list_recent(world.ctx, 1)
    assert (logged.action, logged.outcome) == ("record.write", "Failed")
    world.store("westeurope").faults.clear()
    sharing.invite(world.ctx, world.definition.gallery, tenants)
    assert status_of(world) == ("Succeeded", dict.fromkeys(failed, "Succeeded"))


def test_a_role_that_a_region_does_not_know_of_is_told_by_the_same_command(world: World) -> None:
    world.update("1.0.0", add_regions=[TargetRequest("westeurope", 1)])
    fault = Fault(FaultKind.LOST_REQUEST, times=None)
    world.store("westeurope").faults.append(fault)
    granting.grant(world.ctx, world.definition, ALICE, Role.READER)
    before = set(world.keys("records/", "westeurope"))
    world.store("westeurope").faults.clear()
    granting.grant(world.ctx, world.definition, ALICE, Role.READER)
    assert len(set(world.keys("records/", "westeurope")) - before) == 1


def test_what_a_process_that_died_left_is_in_progress_and_then_has_failed(world: World) -> None:
    share(world, GROUPS)
    world.store().faults.append(Fault(FaultKind.CRASH_BEFORE, verb="put"))
    with pytest.raises(Crashed):
        sharing.invite(world.ctx, world.definition.gallery, Consumers(tenants=["t1"]))
    world.restart()
    behind = "its record is revision 2, not 3"
    assert status_of(world) == ("InProgress", {"eastus": f"InProgress {behind}"})
    with world.index.begin() as tx:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        tx.execute(sa.update(schema.activity).values(at=long_ago))
    assert status_of(world) == ("Failed", {"eastus": f"Failed {behind}"})


def test_a_region_that_still_says_how_a_gallery_was_shared_is_told_of_after_a_reset(
    world: World,
) -> None:
    world.update("1.0.0", add_regions=[TargetRequest("westeurope", 1)])
    assert status_of(world) == ("", {})
    share(world, GROUPS)
    world.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    sharing.reset(world.ctx, world.definition.gallery)
    failed = {"eastus": "Succeeded", "westeurope": "Failed ConnectionLost"}
    assert status_of(world) == ("Failed", failed)
    world.store("westeurope").faults.clear()
    sharing.reset(world.ctx, world.definition.gallery)
    assert status_of(world) == ("", {})


def test_consumers_are_not_told_of_regions(world: World) -> None:
    share(world, COMMUNITY)
    sharing.enable_community(world.ctx, world.definition.gallery)
    assert status_of(world)[0] == "Succeeded"
    assert status_of(world, acting(world, "anybody")) == ("", {})


def test_roles_and_shares_are_in_the_records_so_that_a_rebuilt_index_has_them(
    world: World, tmp_path: Path
) -> None:
    share(world, GROUPS)
    gallery_id = world.definition.gallery
    give(world, gallery_id, Role.SHARING_ADMIN)
    give(world, world.definition, Role.OWNER, "group:leads")
    give(world, world.id("1.0.0"), Role.READER, "bob")
    sharing.invite(world.ctx, gallery_id, Consumers(subscriptions=["contoso"]))
    consuming.answer(acting(world, "eve,subscription=contoso"), gallery_id, accept=True)
    before = galleries.show(world.ctx, gallery_id)

    with open_world(tmp_path / "reborn", buckets=world.buckets) as reborn:
        index.rebuild(reborn.ctx, REGIONS)

        assert galleries.show(reborn.ctx, gallery_id) == before
        found = granting.list_of(reborn.ctx, world.id("1.0.0"))
        assert found == granting.list_of(world.ctx, world.id("1.0.0"))
        assert [one.who for one in found] == ["alice", "group:leads", "bob", "contoso"]
        eve = acting(reborn, "eve,subscription=contoso")
        assert versions.show(eve, world.definition, "latest").version.id == world.id("1.1.0")


def test_it_is_explained_what_somebody_may_do_and_why(world: World) -> None:
    give(world, world.definition, Role.READER)
    found = granting.explain(world.ctx, Caller(name="alice"), world.id("1.0.0"))
    by_action = {one.action: one for one in found}

    assert set(by_action) == {
        Action.VERSION_READ,
        Action.VERSION_WRITE,
        Action.VERSION_DELETE,
        Action.VERSION_LINK,
        Action.GRANT_READ,
        Action.GRANT_WRITE,
        Action.ACTIVITY_READ,
    }
    read, write = by_action[Action.VERSION_READ], by_action[Action.VERSION_WRITE]
    assert (read.via, read.role, read.granted_on) == (Via.ROLE, Role.READER, world.definition)
    assert not write.allowed
    assert write.roles_needed == (Role.OWNER, Role.CONTRIBUTOR)
    assert write.grantors == ("tester",)
    owner = granting.explain(world.ctx, Caller(name="Tester"), None)
    assert all(one.allowed and one.via is Via.OWNERSHIP for one in owner)
    with pytest.raises(NotFound):
        granting.explain(world.ctx, Caller(name="alice"), world.id("9.9.9"))


def test_everybody_may_ask_about_themselves_and_not_about_others(world: World) -> None:
    mallory = acting(world, "mallory")
    own = granting.explain(mallory, Caller(name="mallory"), world.definition.gallery)
    assert not any(one.allowed for one in own)
    with pytest.raises(NotAllowed):
        granting.explain(mallory, Caller(name="alice"), world.definition.gallery)
    claimed = granting.explain(mallory, Caller(name="mallory", owns_index=True), None)
    assert not any(one.allowed for one in claimed)


def test_every_decision_on_others_and_every_change_is_in_the_log(world: World) -> None:
    give(world, world.definition, Role.READER)
    alice, mallory = acting(world, "alice"), acting(world, "mallory")
    versions.show(alice, world.definition, "1.0.0")
    with pytest.raises(NotAllowed):
        version_deleting.delete(alice, world.id("1.0.0"))
    with pytest.raises(NotAllowed):
        galleries.show(mallory, world.definition.gallery)

    def logged(limit: int = 9, **wanted: Any) -> list[tuple[str, str, str, str]]:
        entries = activity.list_recent(world.ctx, limit, ActivityFilter(**wanted))
        return [(one.principal, one.action, one.target, one.outcome) for one in entries]

    assert logged(3) == [
        ("mallory", "galleries/read", "golden", "Refused"),
        ("alice", "galleries/images/versions/delete", "golden/debian/1.0.0", "Refused"),
        ("alice", "galleries/images/versions/read", "golden/debian/1.0.0", "Allowed"),
    ]
    assert logged(principal="ALICE", outcome="refused") == logged(3)[1:2]
    assert logged(action="galleries/images/*") == logged(3)[1:]
    assert logged(action="share.grant") == [("tester", "share.grant", "golden/debian", "Succeeded")]
    under = activity.list_recent(world.ctx, 9, ActivityFilter(principal="alice"), world.definition)
    assert len(under) == 2
    refusal = activity.list_recent(world.ctx, 1, ActivityFilter(outcome="Refused"))[0]
    assert refusal.detail["reasons"] == ["nothing on golden is granted to mallory"]
    at = refusal.at
    assert activity.list_recent(world.ctx, 9, ActivityFilter(since=at, until=at)) == []
    assert activity.list_recent(world.ctx, 9, ActivityFilter(since=at))[0] == refusal

    own = activity.list_recent(alice, 9, ActivityFilter(principal="alice"))
    assert {one.principal for one in own} == {"alice"}
    assert activity.list_recent(alice, 9, scope=world.definition)
    with pytest.raises(NotAllowed):
        activity.list_recent(alice)
    with pytest.raises(Invalid):
        activity.list_recent(world.ctx, 0)


def test_latest_is_found_by_a_gallerys_unique_name(world: World) -> None:
    definition = GalleryId(gallery="default-GOLDEN").definition("debian")
    found = versions.show(world.ctx, definition, "latest", region="eastus")
    assert found == versions.show(world.ctx, world.definition, "latest", region="eastus")
