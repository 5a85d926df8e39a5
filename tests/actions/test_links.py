"""Links to one disk: made once, reused, freed by a collection, revoked, refused by directories."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from actions.test_sharing_actions import acting, give
from engine.world import World, open_world
from imgrepl.actions import activity, collecting, costs, index, links, version_deleting
from imgrepl.actions.context import Context
from imgrepl.actions.links import Link, LinkRequest
from imgrepl.engine import linking
from imgrepl.errors import Interrupted, Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.layout import keys
from imgrepl.model.region import Place
from imgrepl.model.sharing import Role
from imgrepl.store.protocols import Links, Store, Unfinished
from imgrepl.testing.faulty import Fault, FaultKind

HOUR = timedelta(hours=1)


@dataclass
class BucketLinks:
    """Links over a store in memory: an address is the key and for how long."""

    store: Store
    clock: object
    parts: dict[str, list[bytes]] = field(default_factory=dict)
    begun: list[Unfinished] = field(default_factory=list)

    def begin(self, key: str) -> str:
        self.parts[key] = []
        return key

    def put_part(self, key: str, _upload_id: str, number: int, body: bytes) -> str:
        assert number == len(self.parts[key]) + 1
        self.parts[key].append(body)
        return str(number)

    def finish(self, key: str, _upload_id: str, etags: Sequence[str]) -> None:
        assert len(etags) == len(self.parts[key])
        self.store.put(key, b"".join(self.parts.pop(key)))

    def give_up(self, key: str, _upload_id: str) -> None:
        self.parts.pop(key, None)
        self.begun = [one for one in self.begun if one.key != key]

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        return (one for one in self.begun if one.key.startswith(prefix))

    def signed_url(self, key: str, *, seconds: int, filename: str) -> str:
        return f"memory:{key}?seconds={seconds}&filename={filename}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A version in two regions; westeurope gives out links, eastus does not."""
    with open_world(tmp_path / "world") as opened:
        opened.publish("1.0.0", regions=["eastus", "westeurope"])
        of_place: dict[int, BucketLinks] = {}

        def links_of(place: Place) -> Links | None:
            if place.region == "eastus":
                return None
            return of_place.setdefault(place.id, BucketLinks(opened.stores.of(place), opened.clock))

        opened.ctx = replace(opened.ctx, links_of=links_of)
        yield opened


def request(**fields: object) -> LinkRequest:
    from engine.world import DEFINITION

    made = LinkRequest(definition=DEFINITION, name="1.0.0", format="raw", expires_in=HOUR)
    return replace(made, **fields)  # type: ignore[arg-type]


def files(world: World, region: str = "westeurope") -> list[str]:
    return world.keys("exports/", region)


def content(world: World, link: Link) -> bytes:
    (key,) = [key for key in files(world) if f"memory:{key}?" in (link.url or "")]
    return world.store("westeurope").inner.get(key)


def test_a_link_leads_to_the_disk_as_its_guest_sees_it(world: World) -> None:
    link = links.create(world.ctx, request())
    image = content(world, link)

    assert image == world.disk().read_bytes()
    assert link.sha256 == hashlib.sha256(image).hexdigest()
    assert (link.region, link.file_bytes, link.reused) == ("westeurope", len(image), False)
    assert link.url is not None
    assert link.url.endswith("?seconds=3600&filename=golden-debian-1.0.0.img")
    assert link.expires_at == world.clock.now() + HOUR
    assert not any((world.ctx.state_dir / "exports").iterdir())
    logged = activity.list_recent(world.ctx, 1)[0]
    assert (logged.action, logged.target) == ("image-version.link", "golden/debian/1.0.0")
    assert "memory:" not in str(logged.detail)


def test_a_file_larger_than_a_part_is_sent_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "PART_BYTES_MIN", 1 << 20)
    link = links.create(world.ctx, request())
    assert content(world, link) == world.disk().read_bytes()


def test_making_the_file_is_in_the_ledger_once_and_fetching_it_is_nobodys_egress(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = costs.report(world.ctx).regions["westeurope"].bill
    monkeypatch.setattr(linking, "PART_BYTES_MIN", 6 << 20)
    for _ in range(2):
        links.create(world.ctx, request())
    after = costs.report(world.ctx).regions["westeurope"].bill
    begun, parts, ended = 1, 3, 1  # of 16 MiB
    assert after.requests - before.requests == begun + parts + ended
    assert after.egress_usd == before.egress_usd
    links.create(world.ctx, request(format="qcow2"))
    small = costs.report(world.ctx).regions["westeurope"].bill
    assert small.requests - after.requests == 1


def test_the_next_link_finds_the_file_unless_it_is_to_be_good_for_longer(world: World) -> None:
    first = links.create(world.ctx, request())
    again = links.create(world.ctx, request(name="latest", region="westeurope"))
    assert (again.reused, again.sha256, len(files(world))) == (True, first.sha256, 1)
    assert again.kept_until == first.kept_until
    assert first.kept_until >= first.expires_at + timedelta(hours=22)

    longer = links.create(world.ctx, request(expires_in=timedelta(days=3)))
    other = links.create(world.ctx, request(format="vhd"))
    assert (longer.reused, other.reused, len(files(world))) == (False, False, 3)
    assert other.sha256 != first.sha256
    assert links.create(world.ctx, request(format="vhd")).sha256 == other.sha256


def test_a_dry_run_makes_neither_file_nor_link(world: World) -> None:
    planned = links.create(world.ctx, request(), dry_run=True)
    assert (planned.url, planned.sha256, planned.reused, files(world)) == (None, None, False, [])
    assert planned.file_bytes == planned.provisioned_bytes
    small = links.create(world.ctx, request(format="qcow2"), dry_run=True)
    assert small.file_bytes < small.provisioned_bytes
    links.create(world.ctx, request())
    assert links.create(world.ctx, request(), dry_run=True).reused


def test_a_collection_frees_what_no_link_can_lead_to_and_nothing_else(world: World) -> None:
    links.create(world.ctx, request())
    links.create(world.ctx, request(expires_in=timedelta(days=2)))
    freed = collecting.collect(world.ctx, dry_run=False).freed_files
    assert [(one.region, one.files) for one in freed if one.files] == []

    world.clock.advance(86_400 + 3_600)
    planned = collecting.collect(world.ctx, dry_run=True)
    assert sum(one.files for one in planned.freed_files) == 1
    assert len(files(world)) == 2
    done = collecting.collect(world.ctx, dry_run=False)
    assert done.as_json()["freedFiles"][1]["bytes"] == len(world.disk().read_bytes())
    assert len(files(world)) == 1
    assert all(place.unknown_objects == 0 for place in done.places)


def test_a_collection_frees_the_files_of_a_version_that_is_gone(world: World) -> None:
    links.create(world.ctx, request())
    version_deleting.delete(world.ctx, world.id("1.0.0"))
    collecting.collect(world.ctx, dry_run=False)
    assert files(world) == []


def test_a_collection_gives_up_uploads_that_nobody_finished_for_a_day(world: World) -> None:
    there = world.ctx.links_of(world.place("westeurope"))
    assert isinstance(there, BucketLinks)
    now = world.clock.now()
    for name, hours in (("old", 30), ("young", 2)):
        begun_at = now - timedelta(hours=hours)
        there.begun.append(Unfinished(key=f"exports/{name}", upload_id="x", begun_at=begun_at))
    collecting.collect(world.ctx, dry_run=False)
    assert [one.key for one in there.begun] == ["exports/young"]


def test_a_region_that_is_away_keeps_its_files_and_stops_no_collection(world: World) -> None:
    links.create(world.ctx, request())
    world.clock.advance(2 * 86_400)
    away = Fault(FaultKind.LOST_REQUEST, key_part="exports", times=None)
    world.store("westeurope").faults.append(away)
    report = collecting.collect(world.ctx, dry_run=False)
    (failed,) = [one for one in report.freed_files if one.error is not None]
    assert failed.region == "westeurope"
    assert isinstance(report.error, Unavailable)
    assert len(files(world)) == 1


def test_a_rebuilt_index_finds_the_files_and_frees_them(world: World, tmp_path: Path) -> None:
    links.create(world.ctx, request())
    with open_world(tmp_path / "reborn", buckets=world.buckets) as reborn:
        index.rebuild(reborn.ctx, ["eastus", "westeurope", "southeastasia"])
        ctx = replace(
            reborn.ctx,
            links_of=lambda place: (
                None
                if place.region == "eastus"
                else BucketLinks(reborn.stores.of(place), reborn.clock)
            ),
        )
        assert links.create(ctx, request()).reused
        assert links.list_of(ctx, world.id("1.0.0"))
        reborn.clock.advance(10 * 86_400)
        collecting.collect(ctx, dry_run=False)
        assert files(world) == []


def test_revoking_deletes_every_file_of_the_version(world: World) -> None:
    links.create(world.ctx, request())
    links.create(world.ctx, request(format="qcow2"))
    listed = links.list_of(world.ctx, world.id("1.0.0"))
    assert {(one.region, one.lun, one.export.key.format) for one in listed} == {
        ("westeurope", None, "raw"),
        ("westeurope", None, "qcow2"),
    }
    assert links.revoke(world.ctx, world.id("1.0.0")) == listed
    assert files(world) == []
    assert links.list_of(world.ctx, world.id("1.0.0")) == []


def test_a_directory_gives_out_no_links(world: World) -> None:
    for ctx, asked in (
        (world.ctx, request(region="eastus")),
        (replace(world.ctx, links_of=lambda _: None), request()),
    ):
        with pytest.raises(Invalid) as raised:
            links.create(ctx, asked)
        assert raised.value.code == "LinkNotPossible"
        assert "is a directory" in raised.value.message
    with pytest.raises(NotFound):
        links.create(world.ctx, request(region="southeastasia"))


@pytest.mark.parametrize("expires_in", [timedelta(seconds=59), timedelta(days=7, seconds=1)])
def test_a_link_is_good_for_as_long_as_a_signature_can_be(
    world: World, expires_in: timedelta
) -> None:
    with pytest.raises(Invalid) as raised:
        links.create(world.ctx, request(expires_in=expires_in))
    assert raised.value.code == "OutOfRange"


def test_a_link_is_the_contributors_to_give(world: World) -> None:
    give(world, world.definition, Role.READER, "reader")
    give(world, world.definition, Role.CONTRIBUTOR, "maker")

    def as_(who: str) -> Context:
        return acting(world, who)

    assert links.create(as_("maker"), request()).url
    for refused in (
        lambda: links.create(as_("reader"), request()),
        lambda: links.list_of(as_("reader"), world.id("1.0.0")),
        lambda: links.revoke(as_("reader"), world.id("1.0.0")),
    ):
        with pytest.raises(NotAllowed, match="link/action"):
            refused()


def test_an_interrupted_link_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "PART_BYTES_MIN", 1 << 20)
    there = world.ctx.links_of(world.place("westeurope"))
    assert isinstance(there, BucketLinks)

    def stopped(key: str, upload_id: str, number: int, body: bytes) -> str:
        world.stop.set()
        return BucketLinks.put_part(there, key, upload_id, number, body)

    monkeypatch.setattr(there, "put_part", stopped)
    with pytest.raises(Interrupted):
        links.create(world.ctx, request())
    world.stop.clear()
    assert (there.parts, files(world)) == ({}, [])
    assert not any((world.ctx.state_dir / "exports").iterdir())


def test_the_key_says_all_that_is_to_be_known(world: World) -> None:
    link = links.create(world.ctx, request())
    (key,) = map(keys.parse_export_key, files(world))
    assert key is not None
    assert (key.sha256, key.format) == (link.sha256, "raw")
    assert key.until == link.kept_until.timestamp()
