"""Packs that a place has through others: whose need is met, what is spared, what counts."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from gallery import samples
from gallery.samples import content_id, pack_id
from imgrepl.gallery import contents, moved, packs, places, unneeded, usage, versions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.moved import MovedPack
from imgrepl.gallery.packs import PlacePack
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Place

OLD, NEW, OTHER = pack_id("old"), pack_id("new"), pack_id("other")
CONTENT, FOREIGN = content_id("content"), content_id("foreign")


def _moved(place: Place, *parts: str, revision: int = 0) -> MovedPack:
    found = frozenset(map(pack_id, parts))
    return MovedPack(place_id=place.id, pack_id=OLD, revision=revision, parts=found)


def _published(tx: Connection, number: str, content: str, *pack_names: str) -> None:
    """A version at home in eastus, with a replica in westeurope."""
    samples.stored(tx, samples.place(tx).id, *pack_names)
    both = ("eastus", "westeurope")
    samples.published(tx, number, content, *pack_names, regions_of=both)


def _published_through(tx: Connection) -> Place:
    """A version whose only pack, `old`, is in westeurope through `new`."""
    samples.hierarchy(tx)
    _published(tx, "1.0.0", "content", "old")
    place = samples.place(tx, "westeurope")
    samples.stored(tx, place.id, "new")
    assert moved.note(tx, _moved(place, "new"), {CONTENT: 0}, replaces=None, keeps_uses=True)
    return place


def _unneeded(tx: Connection, place_id: PlaceId) -> set[str]:
    return _names(unneeded.packs_in(tx, place_id, 10))


def _names(rows: Iterable[PlacePack]) -> set[str]:
    names = {pack_id(name): name for name in ("old", "new", "other", "more")}
    return {names[row.pack_id] for row in rows}


def test_a_need_is_met_while_every_part_is_present(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        assert moved.lacking(tx, place.id, [CONTENT]) == set()
        assert moved.places_meeting(tx, OLD, [CONTENT]) == [place.id]
        packs.set_damaged(tx, place.id, NEW, "a bit flipped")
        assert moved.lacking(tx, place.id, [CONTENT]) == {OLD}
        assert moved.places_meeting(tx, OLD, [CONTENT]) == []


def test_another_content_of_the_same_pack_is_not_met(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        _published(tx, "2.0.0", "foreign", "old")
        assert moved.lacking(tx, place.id, [FOREIGN]) == {OLD}
        assert moved.places_meeting(tx, OLD, [CONTENT, FOREIGN]) == []
        assert set(moved.users(tx, place.id, [OLD])[OLD]) == {CONTENT, FOREIGN}


def test_another_manifest_of_the_same_content_is_not_met(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        contents.add(tx, samples.manifest("content", "old", "other"), 1)
        assert moved.lacking(tx, place.id, [CONTENT]) == {OLD, OTHER}


def test_what_moved_leads_to_is_spared_while_a_version_that_stands_here_needs_it(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        samples.stored(tx, place.id, "other")
        assert _unneeded(tx, place.id) == {"other"}
        versions.remove(tx, samples.VERSION)
        assert _unneeded(tx, place.id) == {"other", "new"}


def test_a_pack_is_unneeded_itself_once_others_meet_every_need_of_it(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        samples.stored(tx, place.id, "old")
        assert _unneeded(tx, place.id) == {"old"}
        _published(tx, "2.0.0", "foreign", "old")
        assert _unneeded(tx, place.id) == set()


def test_of_a_pack_that_came_whole_the_others_are_unneeded_once_moved_is_retired(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        moved.retire(tx, place.id)
        assert _unneeded(tx, place.id) == set()
        samples.stored(tx, place.id, "old")
        moved.retire(tx, place.id)
        assert _unneeded(tx, place.id) == {"new"}
        assert moved.find(tx, place.id, [OLD]) == {}
        assert moved.next_revision(tx, place.id, OLD) == 1


def test_of_two_who_replace_one_revision_the_second_is_refused(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        samples.stored(tx, place.id, "other")
        second = _moved(place, "new", "other", revision=1)
        assert not moved.note(tx, second, {}, replaces=None, keeps_uses=True)
        assert moved.note(tx, second, {}, replaces=0, keeps_uses=True)
        assert not moved.note(tx, replace(second, revision=2), {}, replaces=0, keeps_uses=True)
        assert moved.find(tx, place.id, [OLD]) == {OLD: second}
        assert moved.lacking(tx, place.id, [CONTENT]) == set()


@pytest.mark.parametrize("keeps_uses", [True, False])
def test_a_revision_meets_the_needs_of_the_one_before_only_where_it_kept_its_runs(
    index: GalleryIndex, keeps_uses: bool
) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        _published(tx, "2.0.0", "foreign", "old")
        samples.stored(tx, place.id, "other")
        second = _moved(place, "other", revision=1)
        assert moved.note(tx, second, {FOREIGN: 0}, replaces=0, keeps_uses=keeps_uses)
        assert moved.lacking(tx, place.id, [FOREIGN]) == set()
        assert moved.lacking(tx, place.id, [CONTENT]) == (set() if keeps_uses else {OLD})


def test_an_object_that_cannot_be_read_meets_nothing_and_its_revision_is_not_used_again(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        moved.lose(tx, place.id, OLD, revision=7)
        assert moved.lacking(tx, place.id, [CONTENT]) == set()
        moved.lose(tx, place.id, OLD, revision=0)
        assert moved.lacking(tx, place.id, [CONTENT]) == {OLD}
        assert moved.next_revision(tx, place.id, OLD) == 1


def test_a_version_is_not_lost_whose_home_has_a_pack_through_others(index: GalleryIndex) -> None:
    with index.begin() as tx:
        _published_through(tx)
        home = samples.place(tx)
        samples.stored(tx, home.id, "new")
        packs.set_damaged(tx, home.id, OLD, "a bit flipped")
        assert versions.lost_packs(tx, samples.VERSION) == [OLD]
        assert moved.note(tx, _moved(home, "new"), {CONTENT: 0}, replaces=None, keeps_uses=True)
        assert versions.lost_packs(tx, samples.VERSION) == []


def test_usage_counts_what_a_version_has_through_others(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        shares = usage.shares(tx)
        assert shares.stored_bytes_by_region() == {"eastus": 1000, "westeurope": 1000}
        assert shares.stored_bytes_by_role()["westeurope", place.role] == 1000
        packs.set_damaged(tx, place.id, NEW, "a bit flipped")
        assert usage.shares(tx).stored_bytes_by_region()["westeurope"] == 0


def test_a_region_that_is_gone_takes_its_moved_packs_along(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = _published_through(tx)
        places.abandon(tx, place.region)
        assert moved.find(tx, place.id, [OLD]) == {}
