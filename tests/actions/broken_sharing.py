"""Every rule of sharing, each with an attempt to break it and what must be said then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from actions import broken_rules
from actions.broken_rules import DEBIAN, GOLDEN, Broken, tight
from engine.world import World
from imgrepl.actions import (
    allowing,
    consuming,
    definitions,
    deleting,
    galleries,
    granting,
    links,
    sharing,
)
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.links import LinkRequest
from imgrepl.actions.sharing import Consumers
from imgrepl.actions.sharing_profiles import SharingRequest
from imgrepl.model.gallery import GalleryId, PurchasePlan
from imgrepl.model.policy import Action, parse_action
from imgrepl.model.sharing import Assignee, Caller, Role, SharingPermission

ALICE = Assignee.parse("alice")
COMMUNITY = SharingRequest(
    permissions=SharingPermission.COMMUNITY,
    publisher_uri="https://contoso.example",
    publisher_contact="images@contoso.example",
    eula="as is",
    public_name_prefix="contoso",
)
GROUPS = SharingRequest(permissions=SharingPermission.GROUPS)


def shared(world: World, request: SharingRequest = GROUPS, **fields: Any) -> object:
    """A gallery that is shareable so."""
    return broken_rules.gallery(world, sharing=replace(request, **fields))


def stranger(world: World) -> World:
    """The same world, asked by somebody to whom nothing was granted."""
    caller = Caller(name="mallory")
    return replace(
        world, ctx=replace(world.ctx, principal="mallory", acting=caller, owner="tester")
    )


def after(*steps: Callable[[World], object]) -> Callable[[World], object]:
    """One after the other; the last one breaks the rule."""

    def act(world: World) -> object:
        answers = [step(world) for step in steps]
        return answers[-1]

    return act


def invite(**consumers: Any) -> Callable[[World], object]:
    """A direct share of the gallery golden."""
    return lambda world: sharing.invite(world.ctx, GOLDEN, Consumers(**consumers))


def give(role: Role = Role.READER) -> Callable[[World], object]:
    """A role of alice on the gallery golden."""
    return lambda world: granting.grant(world.ctx, GOLDEN, ALICE, role)


def public(world: World) -> object:
    """A community gallery, enabled."""
    shared(world, COMMUNITY)
    return sharing.enable_community(world.ctx, GOLDEN)


SHARING_RULES = (
    Broken(
        "role that allows it",
        after(
            broken_rules.gallery,
            lambda world: allowing.check(stranger(world).ctx, Action.GALLERY_WRITE, GOLDEN),
        ),
        "NotAllowed",
        9,
        ("mallory", "galleries/write on golden", "Owner or Contributor", "tester", "share add"),
    ),
    Broken(
        "name of a principal",
        lambda _world: Caller.parse("alice,group=a b"),
        "InvalidPrincipal",
        5,
        ("'a b'", "1 to 128", "group:NAME"),
    ),
    Broken(
        "role that there is",
        lambda _world: Role.parse("god"),
        "InvalidRole",
        5,
        ("'god'", "Owner, Contributor, Reader", "share check"),
    ),
    Broken(
        "action that there is",
        lambda _world: parse_action("fly"),
        "UnknownAction",
        5,
        ("'fly'", "galleries/read"),
    ),
    Broken(
        "role that was given there",
        after(broken_rules.gallery, lambda world: granting.revoke(world.ctx, GOLDEN, ALICE)),
        "GrantNotFound",
        3,
        ("alice", "golden", "share list"),
    ),
    Broken(
        "roles on one resource",
        lambda world: after(broken_rules.gallery, give(), give(Role.OWNER))(
            tight(world, grants_max=1)
        ),
        "LimitExceeded",
        5,
        ("golden has 1 roles", "at most 1"),
    ),
    Broken(
        "subscriptions that a gallery is shared with",
        lambda world: after(shared, invite(subscriptions=["a", "b"]))(
            tight(world, shared_subscriptions_max=1)
        ),
        "LimitExceeded",
        5,
        ("2 subscriptions", "at most 1", "share remove"),
    ),
    Broken(
        "tenants that a gallery is shared with",
        lambda world: after(shared, invite(tenants=["a", "b"]))(tight(world, shared_tenants_max=1)),
        "LimitExceeded",
        5,
        ("2 tenants", "at most 1", "share remove"),
    ),
    Broken(
        "gallery may be shared so",
        after(broken_rules.gallery, invite(tenants=["t"])),
        "SharingNotEnabled",
        4,
        ("golden is Private", "needs Groups", "--permissions Groups"),
    ),
    Broken(
        "what a gallery is shared as stays",
        after(
            shared,
            lambda world: galleries.update(world.ctx, GOLDEN, GalleryChanges(sharing=COMMUNITY)),
        ),
        "ImmutableProperty",
        4,
        ("golden is shared as Groups", "share reset"),
    ),
    Broken(
        "invitation is there",
        after(shared, lambda world: consuming.answer(world.ctx, GOLDEN, accept=True)),
        "InvitationNotFound",
        3,
        ("default-GOLDEN", "invitation list", "subscription=ID"),
    ),
    Broken(
        "community gallery tells all four",
        lambda world: shared(world, COMMUNITY, eula=None),
        "CommunityInfoMissing",
        5,
        ("missing: eula", "--eula"),
    ),
    Broken(
        "only a community gallery tells of itself",
        lambda world: shared(world, GROUPS, eula="as is"),
        "CommunityInfoUnused",
        5,
        ("eula", "--permissions Community"),
    ),
    Broken(
        "publisher's address",
        lambda world: shared(world, COMMUNITY, publisher_uri="contoso"),
        "InvalidUri",
        5,
        ("publisherUri", "'contoso'", "http"),
    ),
    Broken(
        "publisher's contact",
        lambda world: shared(world, COMMUNITY, publisher_contact="nobody"),
        "InvalidContact",
        5,
        ("'nobody'", "e-mail"),
    ),
    Broken(
        "prefix of a public name",
        lambda world: shared(world, COMMUNITY, public_name_prefix="a-b"),
        "InvalidPrefix",
        5,
        ("'a-b'", "5 to 16"),
    ),
    Broken(
        "what is shared is in its gallery's region",
        after(
            shared,
            lambda world: definitions.create(world.ctx, broken_rules.debian(location="westeurope")),
        ),
        "NotShareable",
        5,
        ("golden/debian is in westeurope", "eastus"),
    ),
    Broken(
        "what everybody gets has no purchase plan",
        after(
            broken_rules.gallery,
            lambda world: definitions.create(
                world.ctx,
                broken_rules.debian(purchase_plan=PurchasePlan("plan", "contoso", "debian")),
            ),
            lambda world: galleries.update(world.ctx, GOLDEN, GalleryChanges(sharing=COMMUNITY)),
            lambda world: sharing.enable_community(world.ctx, GOLDEN),
        ),
        "NotShareable",
        5,
        ("golden/debian has a purchase plan",),
    ),
    Broken(
        "public gallery is not deleted",
        after(public, lambda world: deleting.delete_gallery(world.ctx, GOLDEN)),
        "GalleryShared",
        4,
        ("golden is public", "share reset"),
    ),
    Broken(
        "consumers' names are for reading",
        after(
            broken_rules.gallery,
            lambda world: galleries.update(
                world.ctx,
                GalleryId(gallery="default-GOLDEN"),
                GalleryChanges(description="x"),
            ),
        ),
        "ConsumersName",
        5,
        ("default-GOLDEN", "golden", "-r golden"),
    ),
    Broken(
        "link is good for",
        lambda world: links.create(
            world.ctx,
            LinkRequest(definition=DEBIAN, name="1.0.0", expires_in=timedelta(days=8)),
        ),
        "OutOfRange",
        5,
        ("691200 seconds", "from 60 to 604800"),
    ),
    Broken(
        "link leads to a server",
        after(
            broken_rules.version,
            lambda world: links.create(world.ctx, LinkRequest(definition=DEBIAN, name="1.0.0")),
        ),
        "LinkNotPossible",
        5,
        ("eastus is a directory", "image-version download"),
    ),
)
