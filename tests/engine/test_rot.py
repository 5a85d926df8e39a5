"""Any damage to any object: found, never served, and mended or told to the byte.

Beside the engine goes a second reader of disks and an account, from the bytes as they were, of what
the damaged places can still give together.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from engine.pieced import publish
from engine.world import World, open_world
from imgrepl.actions import verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Corrupt
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.moved import decode_moved
from imgrepl.layout.pack import decode_footer
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place
from imgrepl.testing.faulty import damaged, flipped
from imgrepl.testing.invariants import Objects, objects_in
from imgrepl.testing.simulation.restoring import NotWhole, Restorer, newest

STANDS = {
    "1.0.0": (("eastus", 0), ("eastus", 1), ("southeastasia", 0)),
    "2.0.0": (("eastus", 0), ("westeurope", 0)),
    "3.0.0": (("eastus", 0), ("southeastasia", 0)),
}
"""Where each version has a replica; westeurope has 2.0.0 through a moved pack."""


@dataclass(frozen=True)
class Original:
    """The world before any damage, and all that lay in it."""

    world: World
    disks: Mapping[str, bytes]
    objects: Mapping[str, Objects]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with open_world(tmp_path_factory.mktemp("rot") / "world") as world:
        twice = world.publish(
            "1.0.0",
            os_disk=str(_pieces(world, "1.0.0", range(12))),
            regions=(TargetRequest("eastus", 2), TargetRequest("southeastasia", 1)),
        )
        assert twice.version.committed
        disks = {
            "1.0.0": _pieces(world, "1.0.0", range(12)).read_bytes(),
            "2.0.0": publish(world, "2.0.0", [0, 5, 20], "eastus", "westeurope"),
            "3.0.0": publish(world, "3.0.0", range(2, 13), "eastus", "southeastasia"),
        }
        assert world.keys("moved/", "westeurope")
        yield Original(world, disks, _all_objects(world))


def _pieces(world: World, name: str, pieces: range) -> Path:
    from engine.pieced import pieced

    return pieced(world, name, pieces)


def _places(world: World) -> dict[str, Place]:
    with world.index.read() as tx:
        return {place.endpoint.url: place for place in place_rows.list_all(tx)}


def _all_objects(world: World) -> dict[str, Objects]:
    return {
        url: objects_in(world.buckets.at(place.endpoint).inner)  # type: ignore[arg-type]
        for url, place in _places(world).items()
    }


@dataclass(frozen=True)
class Injury:
    """What befalls one object: `at` is the place in it, from 0 to 1, or the choice of another."""

    url: str
    key: str
    how: str
    at: float

    def befall(self, world: World) -> None:
        store = world.buckets.at(_places(world)[self.url].endpoint)
        same = [key for key in objects_in(store.inner) if _kind(key) == _kind(self.key)]  # type: ignore[arg-type]
        match self.how:
            case "delete":
                store.inner.delete([self.key])
            case "flip":
                damaged(store, self.key, lambda now: flipped(now, int(8 * len(now) * self.at)))
            case "truncate":
                damaged(store, self.key, lambda now: now[: int(len(now) * self.at)])
            case "swap":
                other = store.inner.get(same[int(self.at * len(same))])
                damaged(store, self.key, lambda _: other)


def _kind(key: str) -> str:
    return key.partition("/")[0]


@st.composite
def injuries(draw: st.DrawFn, objects: Mapping[str, Objects]) -> list[Injury]:
    """One to three; packs more often than their share, and often the same in another place."""
    kinds = sorted({_kind(key) for of_place in objects.values() for key in of_place})
    found: list[Injury] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([*kinds, "packs", "packs"]))
        where = [(u, k) for u in sorted(objects) for k in objects[u] if _kind(k) == kind]
        again = [(u, k) for u, k in where if found and found[-1].key == k and found[-1].url != u]
        same = bool(again) and draw(st.booleans())
        url, key = draw(st.sampled_from(again if same else where))
        how = draw(st.sampled_from(["flip", "flip", "truncate", "swap", "delete"]))
        found.append(Injury(url, key, how, draw(st.floats(0, 1, exclude_max=True))))
    return found


def run_one(original: Original, folder: Path, data: st.DataObject) -> None:
    """Damages a copy of the world and holds every promise against it."""
    befalls = data.draw(injuries(original.objects))
    reads_first = data.draw(st.booleans())
    with original.world.twin(folder) as world:
        for injury in befalls:
            injury.befall(world)
        hurt = _all_objects(world)
        restorer = Restorer(world.engine.domain.chunk_key)
        assert_found(world, original, hurt, restorer)
        lost = lost_bytes(original, hurt)
        if lost:
            note(f"lost: {lost}")
        if reads_first:
            assert_reads(world, original, lost)
        told = repair_all(world)
        assert told == lost
        assert_whole(world, original, hurt, lost, restorer)
        assert_reads(world, original, lost)


def assert_found(
    world: World, original: Original, hurt: Mapping[str, Objects], restorer: Restorer
) -> None:
    """A replica that cannot be restored from its place, or lacks a small object, is not healthy."""
    places = {(p.region, p.number): p.endpoint.url for p in _places(world).values()}
    for name, stands in STANDS.items():
        report = verifying.verify(world.ctx, world.id(name), None, True)
        states = {(r["region"], r["replica"]): r["state"] for r in report["replicas"]}
        (content,) = world.view(name).version.content_ids
        for where in stands:
            try:
                whole = restorer.restore(hurt[places[where]], content) == original.disks[name]
            except NotWhole:
                whole = False
            assert whole or states[where] != "healthy", (name, where)
        for replica in report["replicas"]:
            assert (replica["state"] == "healthy") == (not replica["problems"])
            for fault in replica["problems"]:
                assert fault["place"], fault
                assert fault["object"], fault


def assert_reads(world: World, original: Original, lost: Mapping[str, set[int]]) -> None:
    """A download gives the disk, or says that some of it is lost; never another byte."""
    for name, disk in original.disks.items():
        try:
            assert world.download(name) == disk, name
        except Corrupt:
            assert lost.get(name), f"{name} could not be read, and nothing of it is lost"


def assert_whole(
    world: World,
    original: Original,
    hurt: Mapping[str, Objects],
    lost: Mapping[str, set[int]],
    restorer: Restorer,
) -> None:
    """After a repair every replica of a version whose packs can be had stands by itself."""
    places = {(p.region, p.number): p.endpoint.url for p in _places(world).values()}
    now = _all_objects(world)
    for name, stands in STANDS.items():
        if lost.get(name) or is_crippled(original, hurt, name):
            continue
        (content,) = world.view(name).version.content_ids
        for where in stands:
            assert restorer.restore(now[places[where]], content) == original.disks[name]
        report = verifying.verify(world.ctx, world.id(name), None, True)
        assert {one["state"] for one in report["replicas"]} == {"healthy"}


def repair_all(world: World) -> dict[str, set[int]]:
    """Repairs every version; the blocks that are said to be lost, by version."""
    told: dict[str, set[int]] = {}
    for name in STANDS:
        report = verifying.repair(world.ctx, world.id(name))
        for one in report["lost"]:
            first, blocks = one["offset"] // 4096, -(-one["length"] // 4096)
            version = one["version"].rsplit("/", 1)[-1]
            told.setdefault(version, set()).update(range(first, first + blocks))
    return told


def lost_bytes(original: Original, hurt: Mapping[str, Objects]) -> dict[str, set[int]]:
    """The blocks of each version that no place gives any more, by the bytes as they were."""
    lost: dict[str, set[int]] = {}
    for name in STANDS:
        (content,) = original.world.view(name).version.content_ids
        pristine = newest(original.objects[_home(original)], keys.manifest_prefix(content))
        assert pristine is not None
        manifest = decode_manifest(pristine, content)
        if not any(_intact(original, hurt, url, keys.manifest_prefix(content)) for url in hurt):
            lost[name] = set(range(manifest.size_bytes // 4096))
            continue
        for run in manifest.runs:
            pack_id = manifest.packs[run.pack].pack_id
            missing = lost_slots(original, hurt, pack_id)
            at = run.disk_offset
            for slot, length in plain_lengths(original, pack_id, run.first_slot, run.slots):
                if slot in missing:
                    blocks = range(at // 4096, (at + length) // 4096)
                    lost.setdefault(name, set()).update(blocks)
                at += length
    return lost


def is_crippled(original: Original, hurt: Mapping[str, Objects], name: str) -> bool:
    """Whether some pack that a version names cannot be had, though its own slots may be."""
    (content,) = original.world.view(name).version.content_ids
    pristine = newest(original.objects[_home(original)], keys.manifest_prefix(content))
    assert pristine is not None
    named = decode_manifest(pristine, content).packs
    return any(slots_in_no_copy(original, hurt, use.pack_id) for use in named)


def _home(original: Original) -> str:
    return next(
        u for u, p in _places(original.world).items() if (p.region, p.number) == ("eastus", 0)
    )


def _intact(original: Original, hurt: Mapping[str, Objects], url: str, prefix: str) -> bool:
    before, now = original.objects[url], hurt[url]
    return any(key in now and now[key] == before[key] for key in before if key.startswith(prefix))


def pristine_pack(original: Original, pack_id: PackId) -> bytes:
    for objects in original.objects.values():
        found = newest(objects, keys.pack_prefix(pack_id))
        if found is not None:
            return found
    raise AssertionError(pack_id)


def plain_lengths(
    original: Original, pack_id: PackId, first: int, slots: int
) -> Iterator[tuple[int, int]]:
    body = pristine_pack(original, pack_id)
    footer = decode_footer(body, len(body), pack_id=pack_id)
    for slot in range(first, first + slots):
        yield slot, int(footer.plain_bytes[slot])


def lost_slots(original: Original, hurt: Mapping[str, Objects], pack_id: PackId) -> set[int]:
    """Slots whose frame is in no copy as it was, nor in a pack that it was moved to."""
    moved = set(_moved_slots(original, hurt, pack_id))
    return slots_in_no_copy(original, hurt, pack_id) - moved


def slots_in_no_copy(original: Original, hurt: Mapping[str, Objects], pack_id: PackId) -> set[int]:
    """Slots whose frame is in no copy as it was; all, where the footer is nowhere whole."""
    body = pristine_pack(original, pack_id)
    footer = decode_footer(body, len(body), pack_id=pack_id)
    spans = [
        (int(start), int(start + length))
        for start, length in zip(footer.offsets, footer.stored_bytes, strict=True)
    ]
    copies = [
        objects[key]
        for url, objects in hurt.items()
        for key in objects
        if key.startswith(keys.pack_prefix(pack_id)) and key in original.objects[url]
    ]
    tail = body[spans[-1][1] :]
    known = any(copy.endswith(tail) for copy in copies)
    have = {
        slot
        for copy in copies
        if known
        for slot, (start, end) in enumerate(spans)
        if copy[start:end] == body[start:end]
    }
    return set(range(footer.slots)) - have


def _moved_slots(original: Original, hurt: Mapping[str, Objects], pack_id: PackId) -> Iterator[int]:
    for url, objects in original.objects.items():
        encoded = newest(objects, keys.moved_prefix(pack_id))
        if encoded is None or not _intact(original, hurt, url, keys.moved_prefix(pack_id)):
            continue
        for run in decode_moved(encoded, pack_id).runs:
            if _intact(original, hurt, url, keys.pack_prefix(run.pack_id)):
                yield from range(run.first_slot, run.first_slot + run.slots)


FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=int(os.environ.get("ROT", "1000")), derandomize=False)


@FEW
@given(data=st.data())
def test_any_damage_is_found_never_served_and_mended_or_told(
    original: Original, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run_one(original, tmp_path_factory.mktemp("twin"), data)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@MANY
@given(data=st.data())
def test_much_damage_is_found_never_served_and_mended_or_told(
    original: Original, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run_one(original, tmp_path_factory.mktemp("twin"), data)
