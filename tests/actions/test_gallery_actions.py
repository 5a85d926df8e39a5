"""Galleries and definitions as a user handles them: rules, limits, log and records."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.world import World
from imgrepl.actions import activity, definitions, galleries
from imgrepl.actions.context import Context
from imgrepl.actions.definitions import CreateDefinition, DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import records_log
from imgrepl.model.gallery import GalleryId, ImageIdentifier, OsType, Range
from imgrepl.model.limits import Limits
from imgrepl.testing.faulty import Fault, FaultKind

GALLERY = GalleryId(gallery="golden")
DEBIAN = CreateDefinition(
    id=GALLERY.definition("debian"),
    identifier=ImageIdentifier("contoso", "debian", "12"),
    os_type=OsType.LINUX,
)


def _actions(ctx: Context) -> list[str]:
    return [entry.action for entry in activity.list_recent(ctx)][::-1]


def test_a_gallery_is_made_shown_and_logged(ctx: Context) -> None:
    made = galleries.create(ctx, GALLERY, location="East US", tags={"a": "b"})
    assert (made.location, made.revision, made.tags) == ("eastus", 1, {"a": "b"})
    assert made.created_at == ctx.clock.now()
    assert galleries.show(ctx, GALLERY) == made
    assert galleries.list_all(ctx, subscription="default", group="DEFAULT") == [made]
    assert galleries.list_all(ctx, group="other") == []
    assert _actions(ctx) == ["gallery.create"]
    assert activity.list_recent(ctx)[0].principal == ctx.principal


def test_making_the_same_gallery_again_is_a_success_that_changes_nothing(ctx: Context) -> None:
    made = galleries.create(ctx, GALLERY, location="eastus", description="d")
    again = galleries.create(ctx, GalleryId(gallery="GOLDEN"), location="eastus", description="d")
    assert again == made
    assert _actions(ctx) == ["gallery.create"]


@pytest.mark.parametrize(
    ("fields", "differs"),
    [({"location": "westeurope"}, "location"), ({"location": "eastus", "tags": {"x": ""}}, "tags")],
)
def test_a_gallery_that_differs_is_a_conflict_that_says_in_what(
    ctx: Context, fields: dict[str, object], differs: str
) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    with pytest.raises(Conflict, match=differs) as caught:
        galleries.create(ctx, GALLERY, **fields)  # type: ignore[arg-type]
    assert caught.value.code == "GalleryExists"
    assert "gallery update" in (caught.value.hint or "")


def test_a_gallery_needs_a_known_region_a_good_name_and_room(ctx: Context) -> None:
    with pytest.raises(NotFound) as no_region:
        galleries.create(ctx, GALLERY, location="mars")
    with pytest.raises(Invalid) as bad_name:
        galleries.create(ctx, GalleryId(gallery="go-lden"), location="eastus")
    tight = replace(ctx, limits=Limits(galleries_max=1))
    galleries.create(tight, GALLERY, location="eastus")
    with pytest.raises(Invalid) as full:
        galleries.create(tight, GalleryId(gallery="silver"), location="eastus")
    galleries.create(tight, GalleryId(gallery="silver"), location="westeurope")
    codes = [error.value.code for error in (no_region, bad_name, full)]
    assert codes == ["RegionNotFound", "InvalidName", "LimitExceeded"]


def test_an_update_raises_the_revision_and_an_empty_one_does_not(ctx: Context) -> None:
    galleries.create(ctx, GALLERY, location="eastus", description="old", tags={"a": ""})
    changed = galleries.update(
        ctx, GALLERY, GalleryChanges(description="", tags={"b": ""}, soft_delete_enabled=True)
    )
    assert (changed.revision, changed.description, changed.tags) == (2, None, {"b": ""})
    assert galleries.update(ctx, GALLERY, GalleryChanges()) == changed
    assert galleries.update(ctx, GALLERY, GalleryChanges(tags={"b": ""})) == changed
    assert galleries.show(ctx, GALLERY) == changed
    assert _actions(ctx) == ["gallery.create", "gallery.update"]


@pytest.mark.parametrize("days", [0, 91])
def test_a_retention_out_of_range_changes_nothing(ctx: Context, days: int) -> None:
    made = galleries.create(ctx, GALLERY, location="eastus")
    with pytest.raises(Invalid):
        galleries.update(ctx, GALLERY, GalleryChanges(soft_delete_retention_days=days))
    assert galleries.show(ctx, GALLERY) == made
    assert _actions(ctx) == ["gallery.create"]


def test_deleting_leaves_a_tombstone_and_the_name_is_free(ctx: Context) -> None:
    old = galleries.create(ctx, GALLERY, location="eastus")
    galleries.delete(ctx, GALLERY)
    with pytest.raises(NotFound):
        galleries.show(ctx, GALLERY)
    with ctx.index.read() as tx:
        tombstone = records_log.find(tx, GALLERY, old.incarnation)
    assert tombstone is not None
    assert tombstone.revision > old.revision
    new = galleries.create(ctx, GALLERY, location="westeurope")
    assert new.incarnation != old.incarnation


def test_a_gallery_with_definitions_is_not_deleted_and_its_tree_names_them(ctx: Context) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    definitions.create(ctx, DEBIAN)
    with pytest.raises(Conflict) as caught:
        galleries.delete(ctx, GALLERY)
    assert caught.value.code == "NotEmpty"
    assert galleries.tree(ctx, GALLERY).definitions == (DEBIAN.id,)
    assert _actions(ctx) == ["gallery.create", "image-definition.create"]


def test_records_follow_every_change_to_the_home_region(world: World) -> None:
    galleries.create(world.ctx, GALLERY, location="eastus")
    galleries.update(world.ctx, GALLERY, GalleryChanges(description="new"))
    definitions.create(world.ctx, DEBIAN)
    definitions.delete(world.ctx, DEBIAN.id)
    galleries.delete(world.ctx, GALLERY)
    records = world.keys("records/")
    assert len([key for key in records if "/golden/debian/" in key]) == 2
    assert len(records) == 5
    assert world.keys("records/", region="westeurope") == []


def test_a_home_region_that_is_away_is_told_of_and_the_index_has_the_change(world: World) -> None:
    store = world.store("eastus")
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    made = galleries.create(world.ctx, GALLERY, location="eastus")
    assert galleries.show(world.ctx, GALLERY) == made
    assert any("golden" in notice for notice in world.notices)
    store.faults.clear()
    galleries.update(world.ctx, GALLERY, GalleryChanges(description="back"))
    assert len(world.keys("records/")) == 1


def test_a_definition_takes_its_gallerys_region_and_spelling(ctx: Context) -> None:
    galleries.create(ctx, GalleryId(gallery="Golden"), location="westeurope")
    made = definitions.create(ctx, DEBIAN)
    assert (made.location, str(made.id)) == ("westeurope", "Golden/debian")
    assert definitions.show(ctx, DEBIAN.id) == made
    assert definitions.list_of(ctx, GALLERY) == [made]


def test_making_the_same_definition_again_is_a_success(ctx: Context) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    full = replace(
        DEBIAN,
        features={"securitytype": "trustedlaunch"},
        recommended_vcpus=Range(1, 4),
        disallowed_disk_types=("standard_lrs",),
        end_of_life_date=ctx.clock.now() + timedelta(days=1),
    )
    made = definitions.create(ctx, full)
    assert made.features == {"SecurityType": "TrustedLaunch"}
    assert definitions.create(ctx, full) == made
    with pytest.raises(Conflict, match="os_type") as caught:
        definitions.create(ctx, replace(full, os_type=OsType.WINDOWS))
    assert caught.value.code == "DefinitionExists"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"id": GALLERY.definition("-x")}, "InvalidName"),
        ({"identifier": ImageIdentifier("p", "o", "s.")}, "InvalidName"),
        ({"features": {"x": "y"}}, "InvalidFeature"),
        ({"recommended_vcpus": Range(4, 1)}, "OutOfRange"),
        ({"recommended_memory": Range(0)}, "OutOfRange"),
        ({"disallowed_disk_types": ("x",)}, "InvalidDiskType"),
        ({"release_note_uri": "notes"}, "InvalidUri"),
        ({"privacy_statement_uri": "x"}, "InvalidUri"),
        ({"tags": {"": ""}}, "InvalidTag"),
        ({"location": "mars"}, "RegionNotFound"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_not_made(
    ctx: Context, fields: dict[str, object], code: str
) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    with pytest.raises((Invalid, NotFound)) as caught:
        definitions.create(ctx, replace(DEBIAN, **fields))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert definitions.list_of(ctx, GALLERY) == []


def test_a_definition_cannot_be_made_at_its_end_of_life_or_above_the_limit(ctx: Context) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    with pytest.raises(Invalid, match="future"):
        definitions.create(ctx, replace(DEBIAN, end_of_life_date=ctx.clock.now()))
    with pytest.raises(Invalid) as full:
        definitions.create(replace(ctx, limits=Limits(definitions_max=0)), DEBIAN)
    assert full.value.code == "LimitExceeded"


def test_a_definition_changes_what_may_change(ctx: Context) -> None:
    galleries.create(ctx, GALLERY, location="eastus")
    definitions.create(ctx, replace(DEBIAN, description="old", tags={"a": ""}))
    end = ctx.clock.now() + timedelta(days=9)
    changed = definitions.update(
        ctx,
        DEBIAN.id,
        DefinitionChanges(
            end_of_life_date=end,
            recommended_memory=Range(1, 64),
            disallowed_disk_types=("premium_lrs",),
            release_note_uri="https://example.org",
            clear=frozenset({"description"}),
        ),
    )
    assert (changed.description, changed.end_of_life_date, changed.revision) == (None, end, 2)
    assert changed.disallowed_disk_types == ("Premium_LRS",)
    assert changed.tags == {"a": ""}
    assert definitions.update(ctx, DEBIAN.id, DefinitionChanges()) == changed
    gone = DefinitionChanges(clear=frozenset({"end_of_life_date"}))
    assert definitions.update(ctx, DEBIAN.id, gone).end_of_life_date is None


def test_a_definition_whose_end_of_life_has_passed_can_still_be_described(world: World) -> None:
    ctx = world.ctx
    galleries.create(ctx, GALLERY, location="eastus")
    end = ctx.clock.now() + timedelta(days=1)
    definitions.create(ctx, replace(DEBIAN, end_of_life_date=end))
    world.clock.advance(2 * 86_400)
    changed = definitions.update(ctx, DEBIAN.id, DefinitionChanges(description="superseded"))
    assert changed.end_of_life_date == end
    with pytest.raises(Invalid):
        definitions.update(
            ctx, DEBIAN.id, DefinitionChanges(end_of_life_date=end + timedelta(hours=1))
        )
