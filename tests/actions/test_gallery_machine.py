"""Any sequence of requests leaves what a few dictionaries say, and a rebuild finds the same."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actions.gallery_model import Missing, Model, Number
from engine.world import REGIONS, World, open_world
from imgrepl.actions import (
    creating,
    definitions,
    deleting,
    galleries,
    index,
    updating,
    version_bin,
    version_deleting,
    versions,
)
from imgrepl.actions.definitions import CreateDefinition, DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import CreateVersion, TargetRequest, UpdateVersion
from imgrepl.errors import ImgreplError, NotFound
from imgrepl.model.gallery import (
    DefinitionId,
    GalleryId,
    ImageIdentifier,
    OsType,
    VersionId,
    VersionName,
)

BLOCK = 4096
DAY = 24 * 3600
NAMES = st.sampled_from(["gold", "gold", "Gold", "silver"])
CHILDREN = st.sampled_from(["web", "web", "WEB", "db"])
NUMBERS = st.sampled_from([(1, 0, 0), (1, 0, 9), (1, 0, 10), (2, 0, 0)])
ADDRESSES = st.tuples(NAMES, CHILDREN, NUMBERS)
SKUS = st.sampled_from(["a", "b"])
WHERE = st.dictionaries(st.sampled_from(REGIONS[:2]), st.integers(1, 2), min_size=1)
PICKS = 8
PICK = st.integers(0, PICKS - 1)
Address = tuple[str, str, Number]


def _gallery_id(name: str) -> GalleryId:
    return GalleryId(gallery=name)


def _definition_id(at: Address) -> DefinitionId:
    return _gallery_id(at[0]).definition(at[1])


def _version_id(at: Address) -> VersionId:
    return _definition_id(at).version(VersionName(*at[2]))


def _folded(at: Address) -> Address:
    return at[0].lower(), at[1].lower(), at[2]


class GalleryMachine(RuleBasedStateMachine):
    """Every request goes to the actions and to the model; both must say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.world = self.stack.enter_context(open_world(self.folder / "world"))
        self.model = Model()
        self.disks = [self._disk(number) for number in (0, 1)]
        self.contents = [self._content_ids(disk) for disk in self.disks]

    def _disk(self, number: int) -> str:
        path = self.folder / f"{number}.raw"
        path.write_bytes(random.Random(number).randbytes(3 * BLOCK) + bytes(13 * BLOCK))
        return str(path)

    def _content_ids(self, disk: str) -> tuple[str, ...]:
        at = ("gold", "web", (1, 0, 0))
        request = CreateVersion(
            id=_version_id(at), os_disk=disk, location="eastus", create_parents=True
        )
        return creating.create(self.world.ctx, request, dry_run=True).version.content_ids

    @initialize(has_bin=st.booleans())
    def begin(self, has_bin: bool) -> None:
        """Most sequences should come to versions soon."""
        self.create_gallery("gold", "eastus", has_bin)
        self.create_definition("gold", "web", "a")
        self.create_version(("gold", "web", (1, 0, 9)), 0, {"eastus": 2}, excluded=False)

    def an_address(self, drawn: Address, pick: int) -> Address:
        """Mostly that of a version that is there, else the one that was drawn."""
        there = self.addresses
        return there[pick % len(there)] if pick < PICKS - 1 else drawn

    @property
    def addresses(self) -> list[Address]:
        """Those of all versions that are there, in the bin or not."""
        return [
            (gallery, child, number)
            for gallery, one in self.model.galleries.items()
            for child, definition in one.definitions.items()
            for number in definition.versions
        ]

    def both(self, act: Callable[[], object], expected: Callable[[], str | None]) -> None:
        """Does it, and compares how it ended."""
        found: str | None = None
        try:
            act()
        except ImgreplError as error:
            found = error.code
        try:
            wanted = expected()
        except Missing as missing:
            wanted = str(missing)
        assert found == wanted

    @rule(
        name=NAMES,
        location=st.sampled_from(REGIONS[:2]),
        has_bin=st.none() | st.booleans(),
        flags=st.tuples(st.booleans(), st.booleans()),
        what=st.sampled_from(["create", "update", "update", "update", "delete"]),
    )
    def change_a_gallery(
        self,
        name: str,
        location: str,
        has_bin: bool | None,
        flags: tuple[bool, bool],
        what: str,
    ) -> None:
        match what:
            case "create":
                self.create_gallery(name, location, bool(has_bin))
            case "update":
                self.update_gallery(name, "x" if flags[0] else "", has_bin)
            case _:
                self.delete_gallery(name, *flags)

    @rule(
        at=ADDRESSES,
        sku=SKUS,
        tags=st.sampled_from([{}, {"a": "b"}]),
        flags=st.tuples(st.booleans(), st.booleans()),
        what=st.sampled_from(["create", "create", "tag", "tag", "delete"]),
    )
    def change_a_definition(
        self, at: Address, sku: str, tags: dict[str, str], flags: tuple[bool, bool], what: str
    ) -> None:
        match what:
            case "create":
                self.create_definition(*at[:2], sku)
            case "tag":
                self.tag_definition(*at[:2], tags)
            case _:
                self.delete_definition(*at[:2], *flags)

    def create_gallery(self, name: str, location: str, has_bin: bool) -> None:
        policy = GalleryChanges(soft_delete_enabled=has_bin)
        self.both(
            lambda: galleries.create(
                self.world.ctx, _gallery_id(name), location=location, bin_policy=policy
            ),
            lambda: self.model.create_gallery(name.lower(), location, has_bin),
        )

    def update_gallery(self, name: str, description: str, has_bin: bool | None) -> None:
        changes = GalleryChanges(description=description, soft_delete_enabled=has_bin)
        self.both(
            lambda: galleries.update(self.world.ctx, _gallery_id(name), changes),
            lambda: self.model.update_gallery(name.lower(), description, has_bin),
        )

    def delete_gallery(self, name: str, recursive: bool, bypass: bool) -> None:
        how = deleting.DeleteParent(recursive=recursive, bypass_soft_delete=bypass)
        self.both(
            lambda: deleting.delete_gallery(self.world.ctx, _gallery_id(name), how),
            lambda: self.model.delete_gallery(name.lower(), recursive=recursive, bypass=bypass),
        )

    def create_definition(self, gallery: str, name: str, sku: str) -> None:
        request = CreateDefinition(
            id=_gallery_id(gallery).definition(name),
            identifier=ImageIdentifier("p", "o", sku),
            os_type=OsType.LINUX,
        )
        self.both(
            lambda: definitions.create(self.world.ctx, request),
            lambda: self.model.create_definition(gallery.lower(), name.lower(), sku),
        )

    def tag_definition(self, gallery: str, name: str, tags: dict[str, str]) -> None:
        one = _gallery_id(gallery).definition(name)
        self.both(
            lambda: definitions.update(self.world.ctx, one, DefinitionChanges(tags=tags)),
            lambda: self.model.tag_definition(gallery.lower(), name.lower(), tags),
        )

    def delete_definition(
        self,
        gallery: str,
        name: str,
        recursive: bool,
        bypass: bool,
    ) -> None:
        one = _gallery_id(gallery).definition(name)
        how = deleting.DeleteParent(recursive=recursive, bypass_soft_delete=bypass)
        self.both(
            lambda: deleting.delete_definition(self.world.ctx, one, how),
            lambda: self.model.delete_definition(
                gallery.lower(), name.lower(), recursive=recursive, bypass=bypass
            ),
        )

    @rule(at=ADDRESSES, content=st.integers(0, 1), where=WHERE, excluded=st.booleans())
    def create_version(
        self,
        at: Address,
        content: int,
        where: dict[str, int],
        excluded: bool,
    ) -> None:
        request = CreateVersion(
            id=_version_id(at),
            os_disk=self.disks[content],
            target_regions=[TargetRequest(name, count) for name, count in where.items()],
            exclude_from_latest=excluded,
        )
        self.both(
            lambda: creating.create(self.world.ctx, request),
            lambda: self.model.create_version(_folded(at), content, where, excluded),
        )

    @rule(at=ADDRESSES, content=st.integers(0, 1), count=st.integers(1, 2), far=st.booleans())
    def create_version_at_home(
        self,
        at: Address,
        content: int,
        count: int,
        far: bool,
    ) -> None:
        known = self.model.galleries.get(at[0].lower())
        home = REGIONS[0] if known is None else known.location
        others = {name: 1 for name in REGIONS[:2] if far and name != home}
        self.create_version(at, content, {home: count, **others}, excluded=False)

    @precondition(lambda self: self.addresses)
    @rule(at=ADDRESSES, pick=PICK, where=WHERE)
    def move_version(self, at: Address, pick: int, where: dict[str, int]) -> None:
        at = self.an_address(at, pick)
        targets = [TargetRequest(name, count) for name, count in where.items()]
        self.both(
            lambda: updating.update(
                self.world.ctx, _version_id(at), UpdateVersion(target_regions=targets)
            ),
            lambda: self.model.move_version(_folded(at), where),
        )

    @precondition(lambda self: self.addresses)
    @rule(
        at=ADDRESSES,
        pick=PICK,
        region=st.none() | st.sampled_from(REGIONS[:2]),
        excluded=st.booleans(),
    )
    def promote_or_exclude(
        self,
        at: Address,
        pick: int,
        region: str | None,
        excluded: bool,
    ) -> None:
        at = self.an_address(at, pick)
        change = UpdateVersion(exclude_from_latest=excluded)
        if region is not None:
            change = UpdateVersion(exclude_from_latest_in={region: excluded})
        expected = self.model.exclude_version if excluded else self.model.promote_version
        self.both(
            lambda: updating.update(self.world.ctx, _version_id(at), change),
            lambda: expected(_folded(at), region),
        )

    @precondition(lambda self: self.addresses)
    @rule(at=ADDRESSES, pick=PICK, bypass=st.booleans())
    def delete_version(self, at: Address, pick: int, bypass: bool) -> None:
        at = self.an_address(at, pick)
        self.both(
            lambda: version_deleting.delete(
                self.world.ctx, _version_id(at), bypass_soft_delete=bypass
            ),
            lambda: self.model.delete_version(_folded(at), bypass=bypass),
        )

    @precondition(lambda self: self.addresses)
    @rule(at=ADDRESSES, pick=PICK)
    def undelete_version(self, at: Address, pick: int) -> None:
        at = self.an_address(at, pick)
        self.both(
            lambda: version_bin.undelete(self.world.ctx, _version_id(at)),
            lambda: self.model.undelete_version(_folded(at)),
        )

    @precondition(lambda self: self.addresses)
    @rule(at=ADDRESSES, pick=PICK)
    def purge_version(self, at: Address, pick: int) -> None:
        at = self.an_address(at, pick)
        self.both(
            lambda: version_bin.purge(self.world.ctx, _version_id(at)),
            lambda: self.model.purge_version(_folded(at)),
        )

    @rule(days=st.sampled_from([1, 6, 7]), purge=st.booleans())
    def days_pass(self, days: int, purge: bool) -> None:
        self.world.clock.advance(days * DAY)
        self.model.today += days
        if purge:
            assert all(one.error is None for one in version_bin.purge_expired(self.world.ctx))
            self.model.purge_expired()

    @invariant()
    def the_index_says_what_the_model_says(self) -> None:
        self.compare(self.world)

    def teardown(self) -> None:
        """An index that is rebuilt from the buckets says the same."""
        try:
            with open_world(self.folder / "new", buckets=self.world.buckets) as new:
                if self.model.galleries:
                    index.rebuild(new.ctx, REGIONS)
                    self.compare(new)
        finally:
            self.stack.close()

    def compare(self, world: World) -> None:
        """That an index has all that the model has, and nothing else."""
        found = {one.id.gallery.lower(): one for one in galleries.list_all(world.ctx)}
        assert {
            name: (one.location, one.soft_delete_enabled, one.description)
            for name, one in found.items()
        } == {
            name: (one.location, one.has_bin, one.description)
            for name, one in self.model.galleries.items()
        }
        for name, gallery in self.model.galleries.items():
            listed = definitions.list_of(world.ctx, _gallery_id(name))
            assert {
                one.id.definition.lower(): (one.identifier.sku, one.tags) for one in listed
            } == {child: (one.sku, one.tags) for child, one in gallery.definitions.items()}
            for child in gallery.definitions:
                self._compare_versions(world, name, child)

    def _compare_versions(self, world: World, gallery: str, child: str) -> None:
        one = self.model.galleries[gallery].definitions[child]
        definition = _gallery_id(gallery).definition(child)
        active = versions.list_of(world.ctx, definition)
        binned = version_bin.list_of(world.ctx, definition)
        shown = {
            tuple(view.version.id.version): (
                {t.name: t.replica_count for t in view.version.target_regions},
                view.version.exclude_from_latest,
                view in binned,
                self.contents.index(view.version.content_ids),
            )
            for view in [*active, *binned]
        }
        assert shown == {
            number: (v.regions, v.excluded, v.deleted_on is not None, v.content)
            for number, v in one.versions.items()
        }
        assert [tuple(view.version.id.version) for view in active] == sorted(
            (number for number, v in one.versions.items() if v.deleted_on is None), reverse=True
        )
        for region in REGIONS[:2]:
            assert self._latest(world, definition, region) == one.latest(region)

    def _latest(self, world: World, definition: DefinitionId, region: str) -> Number | None:
        try:
            found = versions.show(world.ctx, definition, "latest", region=region)
        except NotFound:
            return None
        return (*found.version.id.version,)


def _run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        GalleryMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_sequence_leaves_what_the_model_says_and_a_rebuild_finds_it() -> None:
    _run(examples=6, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_long_sequences_leave_what_the_model_says() -> None:
    _run(examples=300, steps=60)
