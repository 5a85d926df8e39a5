"""Every action that a door can call asks the policy first; nobody else asks it.

A new action is found here by itself. It fails until its first line is
`allowing.check(ctx, Action.…, scope)`, or `allowing.seeing(…)` for a list; where it takes a value
of a type that is not in `SAMPLES` yet, add one.
"""

import ast
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import imgrepl
from engine.world import World, open_world, region_named
from gallery import samples
from imgrepl.actions.context import Context
from imgrepl.actions.copying import CopyVersion
from imgrepl.actions.definitions import CreateDefinition, DefinitionChanges
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.granting import ResourceId
from imgrepl.actions.links import LinkRequest
from imgrepl.actions.portable import ImportGallery
from imgrepl.actions.sharing import Consumers
from imgrepl.actions.version_requests import CreateVersion, UpdateVersion, VersionView
from imgrepl.errors import NotAllowed
from imgrepl.gallery import activity, operations, schema
from imgrepl.model.advice import Deployment
from imgrepl.model.filters import EVERYWHERE, Within
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageIdentifier,
    OsType,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind
from imgrepl.model.peer import PeerBucket
from imgrepl.model.references import version_id_to_json
from imgrepl.model.region import Endpoint, Region
from imgrepl.model.retention import Decision, RetentionRules
from imgrepl.model.sharing import Assignee, Caller, Role, SharingPermission
from imgrepl.model.waiting import WAIT_FOR_ALL, WaitFor

SOURCE = Path(imgrepl.__file__).parent
DOORS = [*SOURCE.glob("client*.py"), *SOURCE.glob("cli/*.py"), *SOURCE.glob("api/**/*.py")]

GALLERY = GalleryId(gallery="golden")
DEFINITION = GALLERY.definition("debian")
VERSION = DEFINITION.version(VersionName(1, 0, 0))
NOWHERE = PeerBucket(standard=(Endpoint(url="file:///nowhere"),))
OPERATION = OperationId("20260101T000000-0123456789ab")

SAMPLES: dict[Any, object] = {
    GalleryId: GALLERY,
    DefinitionId: DEFINITION,
    VersionId: VERSION,
    GalleryId | DefinitionId: GALLERY,
    OperationId: OPERATION,
    str: "1.0.0",
    str | None: None,
    int | None: None,
    bool: False,
    Region: region_named("northeurope"),
    Sequence[Region]: [region_named("northeurope")],
    Sequence[str]: ["eastus"],
    Collection[str]: ["eastus"],
    Iterable[Decision]: [],
    CreateVersion: CreateVersion(id=VERSION, os_disk="/nowhere/disk.raw"),
    UpdateVersion: UpdateVersion(replica_count=2),
    CreateDefinition: CreateDefinition(
        id=DEFINITION, identifier=ImageIdentifier("p", "o", "s"), os_type=OsType.LINUX
    ),
    DefinitionChanges: DefinitionChanges(description="changed"),
    GalleryChanges: GalleryChanges(description="changed"),
    DownloadRequest: DownloadRequest(definition=DEFINITION, name="latest", file="/nowhere/out"),
    LinkRequest: LinkRequest(definition=DEFINITION, name="latest"),
    Deployment: Deployment(vms=1),
    RetentionRules: RetentionRules(keep_last=1),
    WaitFor: WAIT_FOR_ALL,
    Callable[[VersionView], bool]: lambda _view: True,
    CopyVersion: CopyVersion(source=DEFINITION, name="1.0.0", id=VERSION),
    ImportGallery: ImportGallery(bucket=NOWHERE),
    PeerBucket: NOWHERE,
    Within: EVERYWHERE,
    ResourceId: GALLERY,
    ResourceId | None: GALLERY,
    Gallery: samples.gallery(),
    Assignee: Assignee(name="alice"),
    Sequence[Assignee]: [Assignee(name="alice")],
    Role: Role.READER,
    Caller: Caller(name="alice"),
    Consumers: Consumers(tenants=["t"]),
    SharingPermission: SharingPermission.COMMUNITY,
}

FILTERED = {
    "listing.definitions",
    "listing.galleries",
    "listing.versions",
    "galleries.list_all",
    "operations.list_all",
    "usage.report",
    "costs.report",
    "consuming.list_invitations",
    "consuming.list_shared",
    "granting.list_mine",
}
"""Lists of everything: they leave out what may not be seen, down to nothing."""


def public_actions() -> Iterator[str]:
    """`module.function` of every action that a door calls and that takes a context."""
    found = set()
    for door in DOORS:
        tree = ast.parse(door.read_text(encoding="utf-8"))
        modules: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "imgrepl.actions":
                modules |= {item.asname or item.name: item.name for item in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "imgrepl.actions."
            ):
                module = str(node.module).removeprefix("imgrepl.actions.")
                found |= {f"{module}.{item.name}" for item in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id, "")
                if module:
                    found.add(f"{module}.{node.attr}")
    yield from sorted(name for name in found if _takes_context(name))


def action_named(name: str) -> Any:
    module, _, function = name.partition(".")
    return getattr(import_module(f"imgrepl.actions.{module}"), function)


def _takes_context(name: str) -> bool:
    action = action_named(name)
    if not inspect.isfunction(action):
        return False
    first = next(iter(inspect.signature(action).parameters.values()), None)
    return first is not None and first.annotation in (Context, "Context")


ACTIONS = list(public_actions())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gallery with a version, and an operation on it."""
    with open_world(tmp_path_factory.mktemp("asks") / "world") as opened:
        with opened.index.begin() as tx:
            operations.create(
                tx,
                operation_id=OPERATION,
                kind=OperationKind.PUBLISH,
                target=str(VERSION),
                request={"version": version_id_to_json(VERSION)},
            )
        yield opened


@pytest.fixture
def stranger(world: World) -> Context:
    """Somebody to whom nothing was granted."""
    return replace(world.ctx, principal="mallory", acting=Caller(name="mallory"), owner="tester")


def test_the_doors_call_many_actions() -> None:
    assert len(ACTIONS) > 40
    assert {"creating.create", "downloads.download", "collecting.collect"} <= set(ACTIONS)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_refuses_whom_nothing_was_granted_and_does_nothing(
    world: World, stranger: Context, name: str
) -> None:
    before, requests = _content(world), world.stores.moved()
    if name in FILTERED:
        _call(stranger, action_named(name))
        return
    with pytest.raises(NotAllowed) as refused:
        _call(stranger, action_named(name))

    assert refused.value.code == "NotAllowed"
    assert refused.value.exit_status == 9
    assert "mallory may not do" in refused.value.message
    assert "tester" in (refused.value.hint or "")
    assert _content(world) == before
    assert world.stores.moved() == requests
    with world.index.read() as tx:
        newest = activity.list_recent(tx, 1)[0]
    assert (newest.principal, newest.outcome) == ("mallory", "Refused")


def test_lists_of_everything_are_empty_for_whom_nothing_was_granted(stranger: Context) -> None:
    for name in FILTERED:
        answer = _call(stranger, action_named(name))
        assert not getattr(answer, "versions", answer)


def test_the_policy_is_asked_in_one_place() -> None:
    askers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "policy" in path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _asks(node)
    }
    assert askers == {"actions/allowing.py"}


def test_no_room_but_actions_lets_something_be_allowed() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        inside = path.parent.name == "actions"
        assert inside or "allowing" not in text, path


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "imgrepl.model.policy":
        return any(item.name == "decide" for item in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "decide"
        and isinstance(node.value, ast.Name)
        and node.value.id == "policy"
    )


def _call(ctx: Context, action: Callable[..., object]) -> object:
    hints = typing.get_type_hints(action)
    given: dict[str, object] = {}
    for parameter in list(inspect.signature(action).parameters.values())[1:]:
        if parameter.default is not parameter.empty:
            continue
        kind = hints[parameter.name]
        assert kind in SAMPLES, f"add a sample of {kind} to SAMPLES"
        given[parameter.name] = SAMPLES[kind]
    positional = [
        given.pop(parameter.name)
        for parameter in inspect.signature(action).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name in given
    ]
    return action(ctx, *positional, **given)


def _content(world: World) -> dict[str, list[Any]]:
    """Every row but the activity log's."""
    with world.index.read() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(sa.select(table))]
            for table in schema.metadata.sorted_tables
            if table.name != "activity"
        }
