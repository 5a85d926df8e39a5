"""Roles on galleries, definitions and versions: given, taken away, listed, explained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from imgrepl.actions import allowing, record_spreading
from imgrepl.actions.context import Context
from imgrepl.errors import Conflict, NotAllowed, NotFound
from imgrepl.gallery import activity, definitions, galleries, shares, versions
from imgrepl.model import etags, policy
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
    VersionId,
)
from imgrepl.model.policy import Action, Decision, ScopedGrant, Standing
from imgrepl.model.sharing import (
    Assignee,
    Caller,
    Grant,
    InvitationState,
    Role,
    SharingProfile,
)

ResourceId = GalleryId | DefinitionId | VersionId
Resource = Gallery | ImageDefinition | ImageVersion


class How(StrEnum):
    """What an access rests on."""

    OWNER = "Owner"
    ROLE = "Role"
    DIRECT_SHARE = "DirectShare"
    COMMUNITY = "Community"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Somebody's way to a resource. `known_as` is the name by which a consumer reaches it.

    `state` is an invitation's; whatever else is listed is in force.
    """

    scope: ResourceId
    how: How
    who: str
    role: Role | None = None
    state: InvitationState = InvitationState.ACCEPTED
    known_as: str | None = None
    by: str | None = None
    at: datetime | None = None


def grant(
    ctx: Context, scope: ResourceId, assignee: Assignee, role: Role, *, if_match: str | None = None
) -> Grant:
    """Gives somebody a role on a resource and all that lies in it. Raises as `grant_each`."""
    return grant_each(ctx, scope, [assignee], role, if_match=if_match)[0]


def grant_each(
    ctx: Context,
    scope: ResourceId,
    assignees: Sequence[Assignee],
    role: Role,
    *,
    if_match: str | None = None,
) -> list[Grant]:
    """Gives a role to all of them, or to none; the same again is a success.

    Raises `NotFound`; `Conflict` (`ChangedMeanwhile`, `VersionStaged`); `Invalid`
    (`LimitExceeded`).
    """
    allowing.check(ctx, Action.GRANT_WRITE, scope)
    now = ctx.clock.now()

    def added(present: tuple[Grant, ...]) -> tuple[Grant, ...]:
        for assignee in assignees:
            if not any(_is_same(one, assignee, role) for one in present):
                ctx.limits.check_room("roles", len(present), ctx.limits.grants_max, str(scope))
                by = ctx.principal
                present += (Grant(assignee=assignee, role=role, granted_by=by, granted_at=now),)
        return present

    after = _change(ctx, scope, added, "share.grant", assignees, role, if_match)
    return [next(one for one in after if _is_same(one, who, role)) for who in assignees]


def revoke(
    ctx: Context,
    scope: ResourceId,
    assignee: Assignee,
    role: Role | None = None,
    *,
    if_match: str | None = None,
) -> list[Role]:
    """Takes a role away that was given on this very resource, or all that somebody has there.

    Raises as `revoke_each`.
    """
    return revoke_each(ctx, scope, [assignee], role, if_match=if_match)


def revoke_each(
    ctx: Context,
    scope: ResourceId,
    assignees: Sequence[Assignee],
    role: Role | None = None,
    *,
    if_match: str | None = None,
) -> list[Role]:
    """The same of all of them, or of none.

    Raises `NotFound` (`GrantNotFound`, and for the resource); `Conflict` (`ChangedMeanwhile`).
    """
    allowing.check(ctx, Action.GRANT_WRITE, scope)
    gone: list[Role] = []

    def left(present: tuple[Grant, ...]) -> tuple[Grant, ...]:
        for assignee in assignees:
            taken = [one for one in present if _is_same(one, assignee, role or one.role)]
            if not taken:
                raise _nothing_granted(ctx, scope, assignee, role)
            gone.extend(one.role for one in taken)
            present = tuple(one for one in present if one not in taken)
        return present

    _change(ctx, scope, left, "share.revoke", assignees, role, if_match)
    return gone


def list_of(ctx: Context, scope: ResourceId) -> list[Access]:
    """Everybody who reaches this resource: by roles on it and above it, and by sharing.

    Raises `NotFound`.
    """
    allowing.check(ctx, Action.GRANT_READ, scope)
    with ctx.index.read() as tx:
        _get(tx, scope)
        standing = shares.standing_at(tx, scope, ctx.index_owner)
        gallery = galleries.get(tx, policy.lineage(scope)[0])  # type: ignore[arg-type]
    roles = [_by_role(one) for one in standing.grants]
    return [*roles, *_by_sharing(gallery.id, gallery.sharing)]


def list_mine(ctx: Context) -> list[Access]:
    """All that the caller reaches, and what it is invited to: for everybody, about themselves."""
    caller = ctx.caller
    with ctx.index.read() as tx:
        standing = shares.standing_of_all(tx, ctx.index_owner)
        every = [one.id for one in galleries.list_all(tx)] if caller.owns_index else []
    return allowing.of_oneself(
        ctx,
        [
            *(Access(scope=one, how=How.OWNER, who=caller.name) for one in every),
            *(_by_role(one) for one in standing.grants if caller.is_named_by(one.grant.assignee)),
            *_shared_with(caller, standing),
        ],
    )


def explain(
    ctx: Context, who: Caller, scope: ResourceId | None, actions: tuple[Action, ...] = ()
) -> list[Decision]:
    """What the policy says of somebody on a resource, or on the index: each action, and why.

    Asks for nothing in their name. Everybody may ask about themselves; about others, who may see
    the roles there. Raises `NotFound` where there is no such resource.
    """
    who = replace(who, owns_index=who.name.lower() == ctx.index_owner.lower())
    about_others = who != ctx.caller
    if about_others:
        read = Action.INDEX_WRITE if scope is None else Action.GRANT_READ
        allowing.check(ctx, read, scope)
        if scope is not None:
            with ctx.index.read() as tx:
                _get(tx, scope)
    chosen = actions or policy.actions_on(scope)
    found = [allowing.decide(ctx, who, one, scope) for one in chosen]
    if about_others or ctx.caller.owns_index:
        return found
    return allowing.of_oneself(ctx, [policy.told(one, scope) for one in found])


def refusal_of(decision: Decision) -> NotAllowed:
    """The error that an action which was refused so raises."""
    return allowing.refusal(decision)


def _shared_with(caller: Caller, standing: Standing) -> list[Access]:
    found: list[Access] = []
    for gallery, profile in standing.sharing.items():
        for access in _by_sharing(gallery, profile):
            invited = any(
                one.invites(caller) and one.consumer == access.who for one in profile.invitations
            )
            if access.how is How.COMMUNITY or invited:
                found.append(access)
    return found


def _by_role(one: ScopedGrant) -> Access:
    return Access(
        scope=one.scope,
        how=How.ROLE,
        who=str(one.grant.assignee),
        role=one.grant.role,
        by=one.grant.granted_by,
        at=one.grant.granted_at,
    )


def _by_sharing(gallery: GalleryId, profile: SharingProfile) -> list[Access]:
    direct = [
        Access(
            scope=gallery,
            how=How.DIRECT_SHARE,
            who=one.consumer,
            state=one.state,
            known_as=gallery.unique_name,
            by=one.invited_by,
            at=one.invited_at,
        )
        for one in profile.invitations
    ]
    if not profile.is_public or profile.community is None:
        return direct
    public_name = profile.community.public_name
    everybody = Access(scope=gallery, how=How.COMMUNITY, who="everybody", known_as=public_name)
    return [*direct, everybody]


def _change(
    ctx: Context,
    scope: ResourceId,
    change: Callable[[tuple[Grant, ...]], tuple[Grant, ...]],
    action: str,
    assignees: Sequence[Assignee],
    role: Role | None,
    if_match: str | None,
) -> tuple[Grant, ...]:
    with ctx.index.begin() as tx:
        before = _get(tx, scope)
        etags.check_match(before, if_match)
        _refuse_staged(before)
        grants, after = change(before.grants), before
        if grants != before.grants:
            after = _written(tx, before, grants)
            for assignee in assignees:
                detail = {"assignee": str(assignee), "role": role}
                activity.log(tx, action, str(after.id), "Succeeded", detail, ctx.principal)
    record_spreading.publish(ctx, after)  # a region may have been away when it was changed before
    return grants


def _get(tx: Connection, scope: ResourceId) -> Resource:
    match scope:
        case GalleryId():
            return galleries.get(tx, scope)
        case DefinitionId():
            return definitions.get(tx, scope)
        case VersionId():
            return versions.get(tx, scope)


def _written(tx: Connection, before: Resource, grants: tuple[Grant, ...]) -> Resource:
    match before:
        case Gallery():
            revision = galleries.next_revision(tx, before.id)
            gallery = replace(before, grants=grants, revision=revision)
            galleries.update(tx, gallery)
            return gallery
        case ImageDefinition():
            revision = definitions.next_revision(tx, before.id)
            definition = replace(before, grants=grants, revision=revision)
            definitions.update(tx, definition)
            return definition
        case ImageVersion():
            revision = versions.next_revision(tx, before.id)
            version = replace(before, grants=grants, revision=revision)
            versions.update(tx, version)
            return version


def _refuse_staged(resource: Resource) -> None:
    if isinstance(resource, ImageVersion) and not resource.committed:
        raise Conflict(
            f"{resource.id} is still being published",
            code="VersionStaged",
            target=str(resource.id),
            hint="wait for it with `imgrepl image-version wait`",
        )


def _is_same(one: Grant, assignee: Assignee, role: Role) -> bool:
    return one.role is role and one.assignee.is_same(assignee)


def _nothing_granted(
    ctx: Context, scope: ResourceId, assignee: Assignee, role: Role | None
) -> NotFound:
    with ctx.index.read() as tx:
        standing = shares.standing_at(tx, scope, ctx.index_owner)
    elsewhere = [
        f"{one} is where {assignee} has a role"
        for one in standing.grants
        if one.grant.assignee.is_same(assignee)
    ]
    return NotFound(
        f"{assignee} was not given {role or 'any role'} on {scope}",
        code="GrantNotFound",
        target=str(assignee),
        details=elsewhere,
        hint="`imgrepl share list` shows who has what; a role is taken away where it was given",
    )
