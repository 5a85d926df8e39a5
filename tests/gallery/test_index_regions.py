"""Regions and places: what may change under them, and what may not."""

from dataclasses import replace

import pytest

from gallery import samples
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import packs, place_records, places, regions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.region import Endpoint, PlaceRole

STANDARD = PlaceRole.STANDARD


def test_a_region_comes_back_as_it_was_put(index: GalleryIndex) -> None:
    full = samples.region(
        standard=(
            Endpoint(
                url="s3://images/one",
                endpoint_url="http://127.0.0.1:9000",
                credentials_env="EAST",
                addressing="path",
                signing_region="us-east-1",
                ca_file="/etc/ca.pem",
            ),
            Endpoint(url="s3://images/two", profile="p", storage_class="STANDARD"),
        ),
        zones=tuple(Endpoint(url=f"s3://zone{number}") for number in range(3)),
        premium=Endpoint(url="s3://fast", credentials_file="/etc/c.ini"),
    )
    edge = samples.region("edge", parent="eastus")
    with index.begin() as tx:
        regions.add(tx, full)
        regions.add(tx, edge)
        assert regions.list_all(tx) == [full, edge] or regions.list_all(tx) == [full, edge][::-1]
        assert regions.get(tx, "eastus") == full


def test_an_unknown_region_is_answered_with_those_known(index: GalleryIndex) -> None:
    with index.begin() as tx:
        regions.add(tx, samples.region("northeurope"))
        with pytest.raises(NotFound, match="northeurope") as caught:
            regions.get(tx, "eastus")
        with pytest.raises(NotFound):
            regions.add(tx, samples.region("edge", parent="eastus"))
    assert caught.value.code == "RegionNotFound"


def test_a_region_is_added_once(index: GalleryIndex) -> None:
    with index.begin() as tx:
        regions.add(tx, samples.region())
        with pytest.raises(Conflict) as caught:
            regions.add(tx, samples.region())
    assert caught.value.code == "RegionExists"


def test_a_place_is_made_on_first_use_and_then_stays(index: GalleryIndex) -> None:
    with index.begin() as tx:
        first = samples.place(tx)
        assert samples.place(tx) == first
        assert first.endpoint.url == "file:///srv/eastus/r0"
        assert places.get(tx, first.id) == first
        assert places.of_region(tx, "eastus") == places.list_all(tx) == [first]


def test_a_role_the_region_does_not_offer_has_no_place(index: GalleryIndex) -> None:
    with index.begin() as tx:
        regions.add(tx, samples.region())
        with pytest.raises(Invalid) as caught:
            places.ensure(tx, samples.region(), PlaceRole.PREMIUM, 0)
    assert caught.value.code == "StorageTypeNotOffered"


def test_further_urls_leave_places_where_they_are(index: GalleryIndex) -> None:
    before = samples.region()
    after = replace(before, standard=(*before.standard, Endpoint(url="file:///srv/second")))
    with index.begin() as tx:
        regions.add(tx, before)
        made = [places.ensure(tx, before, STANDARD, number) for number in (0, 1)]
        samples.stored(tx, made[1].id, "a")
        regions.update(tx, after)
        assert places.ensure(tx, after, STANDARD, 1).endpoint.url == "file:///srv/eastus/r1"
        assert places.ensure(tx, after, STANDARD, 3).endpoint.url == "file:///srv/second/r3"


def test_the_server_and_credentials_of_a_place_follow_its_region(index: GalleryIndex) -> None:
    old = Endpoint(url="s3://images", endpoint_url="http://127.0.0.1:1", profile="old")
    new = replace(old, endpoint_url="http://127.0.0.1:2", profile="new")
    with index.begin() as tx:
        regions.add(tx, samples.region(standard=(old,)))
        place = places.ensure(tx, samples.region(standard=(old,)), STANDARD, 0)
        samples.stored(tx, place.id, "a")
        regions.update(tx, samples.region(standard=(new,)))
        assert places.get(tx, place.id).endpoint == new.below("r0")


def test_a_place_that_holds_packs_cannot_lie_elsewhere(index: GalleryIndex) -> None:
    moved = samples.region(standard=(Endpoint(url="file:///srv/elsewhere"),))
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        with pytest.raises(Conflict, match="eastus/standard/0") as caught:
            regions.update(tx, moved)
    assert caught.value.code == "RegionInUse"


def test_an_empty_place_is_forgotten_when_its_url_goes(index: GalleryIndex) -> None:
    moved = samples.region(standard=(Endpoint(url="file:///srv/elsewhere"),))
    with index.begin() as tx:
        place = samples.place(tx)
        places.set_prepared(tx, place.id, {"copy": True})
        place_records.note(tx, place.id, samples.GALLERY, samples.incarnation(), 1)
        regions.update(tx, moved)
        assert places.of_region(tx, "eastus") == []
        assert places.ensure(tx, moved, STANDARD, 0).endpoint.url == "file:///srv/elsewhere/r0"


def test_a_region_in_use_is_not_removed_and_its_users_are_named(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        samples.published(tx, "1.0.0", "content", "a")
        with pytest.raises(Conflict) as caught:
            regions.remove(tx, "eastus")
    assert caught.value.code == "RegionInUse"
    told = "; ".join(caught.value.details)
    for word in ("1 image versions", "1 galleries", "1 image definitions", "eastus/standard/0"):
        assert word in told


def test_a_region_whose_packs_are_gone_is_removed_with_its_places(index: GalleryIndex) -> None:
    gone = [samples.pack_id("a")]
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        packs.set_state(tx, place.id, gone, [packs.PRESENT], packs.CONDEMNED)
        packs.set_state(tx, place.id, gone, [packs.CONDEMNED], packs.DELETING)
        with pytest.raises(Conflict):
            regions.remove(tx, "eastus")
        packs.set_state(tx, place.id, gone, [packs.DELETING], packs.GONE)
        regions.remove(tx, "eastus")
        assert places.list_all(tx) == []
        assert regions.list_all(tx) == []


def test_what_a_probe_found_is_kept(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        assert places.prepared(tx, place.id) is None
        places.set_prepared(tx, place.id, {})
        assert places.prepared(tx, place.id) == {}
        places.set_prepared(tx, place.id, None)
        assert places.prepared(tx, place.id) is None
