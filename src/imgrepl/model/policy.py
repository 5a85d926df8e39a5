"""Who may do what: one pure function, and why it says so.

The index's owner may do everything. Everybody else needs a role: granted on the resource itself or
on what it lies in, never on what lies in it. A gallery that is shared directly, by a consumer that
accepted, or with everyone, may be read and nothing else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from imgrepl.errors import Invalid
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.sharing import (
    PRIVATE,
    Caller,
    Grant,
    Invitation,
    InvitationState,
    Role,
    SharingProfile,
)

Scope = GalleryId | DefinitionId | VersionId | None
"""What is asked about; None is the whole index."""

INDEX_NAME = "the gallery index"


class Action(StrEnum):
    """What may be allowed or refused; Azure's names where it has them."""

    GALLERY_READ = "galleries/read"
    GALLERY_WRITE = "galleries/write"
    GALLERY_DELETE = "galleries/delete"
    GALLERY_SHARE = "galleries/share/action"
    GALLERY_SOFT_DELETE = "galleries/softDelete/action"
    DEFINITION_READ = "galleries/images/read"
    DEFINITION_WRITE = "galleries/images/write"
    DEFINITION_DELETE = "galleries/images/delete"
    VERSION_READ = "galleries/images/versions/read"
    VERSION_WRITE = "galleries/images/versions/write"
    VERSION_DELETE = "galleries/images/versions/delete"
    VERSION_LINK = "galleries/images/versions/link/action"
    GRANT_READ = "roleAssignments/read"
    GRANT_WRITE = "roleAssignments/write"
    ACTIVITY_READ = "activityLogs/read"
    INVITATION_ANSWER = "sharedGalleries/invitations/action"
    INDEX_READ = "index/read"
    INDEX_WRITE = "index/write"


_OF_INDEX = frozenset({Action.INDEX_READ, Action.INDEX_WRITE})
_OF_CONSUMERS = frozenset({Action.GALLERY_READ, Action.DEFINITION_READ, Action.VERSION_READ})
CONSUMERS_ACTIONS = _OF_CONSUMERS | {Action.INVITATION_ANSWER}
"""What may be asked by the names that consumers know a gallery by."""

_READS = _OF_CONSUMERS | {Action.GRANT_READ, Action.ACTIVITY_READ}
_OWNER = frozenset(Action) - _OF_INDEX - {Action.INVITATION_ANSWER}
_ON_ANYTHING = frozenset({Action.GRANT_READ, Action.GRANT_WRITE, Action.ACTIVITY_READ})
_SHARES = frozenset({Action.GALLERY_SHARE, Action.GALLERY_SOFT_DELETE})

ACTIONS_OF: Mapping[Role, frozenset[Action]] = {
    Role.OWNER: _OWNER,
    Role.CONTRIBUTOR: _OWNER - _SHARES - {Action.GRANT_WRITE},
    Role.READER: _READS,
    Role.SHARING_ADMIN: _SHARES | {Action.GALLERY_READ},
}
"""What each role allows on what it is granted on."""


class Via(StrEnum):
    """What a permission rests on."""

    OWNERSHIP = "owner of the index"
    ROLE = "role"
    DIRECT_SHARE = "direct share"
    COMMUNITY = "community gallery"


@dataclass(frozen=True, kw_only=True)
class ScopedGrant:
    """A grant and the resource that it stands on."""

    scope: GalleryId | DefinitionId | VersionId
    grant: Grant

    def __str__(self) -> str:
        return f"{self.grant.role} on {self.scope}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the index says that may bear on a question: grants, and how galleries are shared.

    `sharing` has the galleries that are not private. `owner` is whose the index is.
    """

    owner: str
    grants: tuple[ScopedGrant, ...] = ()
    sharing: Mapping[GalleryId, SharingProfile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer and its reasons, one line each.

    `role` and `granted_on` say which grant allowed it; `roles_needed` which roles would, and
    `grantors` who can grant them, the index's owner first. A stranger has nothing there and is not
    invited.
    """

    caller: Caller
    action: Action
    scope: Scope
    allowed: bool
    via: Via | None = None
    role: Role | None = None
    granted_on: Scope = None
    reasons: tuple[str, ...] = ()
    roles_needed: tuple[Role, ...] = ()
    grantors: tuple[str, ...] = ()
    by_stranger: bool = False


def decide(caller: Caller, action: Action, scope: Scope, standing: Standing) -> Decision:
    """Whether the caller may do this there.

    `standing` must have every grant on the scope and on what it lies in; for the index, all.
    """
    basis = _ownership(caller) or _grant(caller, action, scope, standing)
    basis = basis or _share(caller, action, scope, standing)
    refused = Decision(
        caller=caller,
        action=action,
        scope=scope,
        allowed=False,
        roles_needed=roles_with(action),
        grantors=tuple(_grantors(scope, standing)),
    )
    if basis is None:
        reasons = tuple(_refusals(caller, action, scope, standing))
        return replace(refused, reasons=reasons, by_stranger=_is_stranger(caller, scope, standing))
    return replace(
        refused,
        allowed=True,
        via=basis.via,
        role=basis.role,
        granted_on=basis.granted_on,
        reasons=(basis.reason,),
    )


def told(decision: Decision, asked: Scope) -> Decision:
    """A decision as the caller may know it, who named the scope as `asked`.

    A stranger is not told whether it is there: neither by its own name, nor by who has it.
    """
    if decision.allowed:
        return decision
    named = replace(decision, scope=asked)
    if not decision.by_stranger:
        return named
    nothing = _nothing_granted(decision.caller, decision.scope)
    reasons = (
        _nothing_granted(decision.caller, asked) if reason == nothing else reason
        for reason in decision.reasons
    )
    return replace(named, reasons=tuple(reasons), grantors=decision.grantors[:1])


def roles_with(action: Action) -> tuple[Role, ...]:
    """The roles that allow an action, the most powerful first; none for what only owners do."""
    if action is Action.INDEX_READ:
        return tuple(Role)
    return tuple(role for role in Role if action in ACTIONS_OF[role])


def parse_action(text: str) -> Action:
    """Reads an action, in any case. Raises `Invalid` (`UnknownAction`)."""
    for action in Action:
        if action.lower() == text.lower():
            return action
    raise Invalid(
        f"there is no action {text!r}; there are: {', '.join(Action)}",
        code="UnknownAction",
        target=text,
        hint="`imgrepl share check` without --action explains each",
    )


def actions_on(scope: Scope) -> tuple[Action, ...]:
    """What may be asked about a resource of this kind, or about the index."""
    if scope is None:
        return tuple(action for action in Action if action in _OF_INDEX)
    above = {
        GalleryId: "",
        DefinitionId: "galleries/images",
        VersionId: "galleries/images/versions",
    }[type(scope)]
    return tuple(
        action
        for action in Action
        if (action.startswith(above) and action in _OWNER) or action in _ON_ANYTHING
    )


def covers(outer: Scope, inner: Scope) -> bool:
    """Whether `inner` is `outer` or lies in it."""
    return outer is None or any(_same(outer, one) for one in lineage(inner))


def lineage(scope: Scope) -> tuple[GalleryId | DefinitionId | VersionId, ...]:
    """A resource and what it lies in, the gallery first."""
    match scope:
        case GalleryId():
            return (scope,)
        case DefinitionId():
            return (scope.gallery, scope)
        case VersionId():
            return (scope.gallery, scope.definition, scope)
    return ()


def scope_name(scope: Scope) -> str:
    """The scope for messages."""
    return INDEX_NAME if scope is None else str(scope)


@dataclass(frozen=True, kw_only=True)
class _Basis:
    """What a permission rests on, in a sentence too."""

    via: Via
    reason: str
    role: Role | None = None
    granted_on: Scope = None


def _ownership(caller: Caller) -> _Basis | None:
    if not caller.owns_index:
        return None
    return _Basis(via=Via.OWNERSHIP, reason=f"{caller.name} owns {INDEX_NAME}")


def _grant(caller: Caller, action: Action, scope: Scope, standing: Standing) -> _Basis | None:
    """The first grant that allows it, gallery first; to look at the index, any will do."""
    for one in _own(caller, standing):
        of_scope = scope is not None and covers(one.scope, scope)
        includes = of_scope and action in ACTIONS_OF[one.grant.role]
        if includes or action is Action.INDEX_READ:
            return _Basis(
                via=Via.ROLE,
                role=one.grant.role,
                granted_on=one.scope,
                reason=f"{one.grant.assignee} has {one}",
            )
    return None


def _share(caller: Caller, action: Action, scope: Scope, standing: Standing) -> _Basis | None:
    if action is Action.INVITATION_ANSWER:
        return _invitation(caller, _sharing_of(scope, standing))
    if action is Action.INDEX_READ:
        profiles = tuple(standing.sharing.values())
    else:
        profiles = (_sharing_of(scope, standing),) if action in _OF_CONSUMERS else ()
    for profile in profiles:
        if profile.is_public:
            reason = "it is in a community gallery, which everybody may read"
            return _Basis(via=Via.COMMUNITY, reason=reason)
        for one in profile.invitations:
            if one.invites(caller) and one.state is InvitationState.ACCEPTED:
                reason = f"{one.kind.noun} {one.consumer} has accepted the direct share"
                return _Basis(via=Via.DIRECT_SHARE, reason=reason)
    return None


def _invitation(caller: Caller, profile: SharingProfile) -> _Basis | None:
    for one in profile.invitations:
        if one.invites(caller):
            return _Basis(via=Via.DIRECT_SHARE, reason=f"{one.kind.noun} {one.consumer} is invited")
    return None


def _refusals(caller: Caller, action: Action, scope: Scope, standing: Standing) -> Iterator[str]:
    """Why each thing that the caller has is not enough."""
    profile = _sharing_of(scope, standing)
    found = [
        *_refused_grants(caller, action, scope, standing),
        *(_refused_share(one) for one in profile.invitations if one.invites(caller)),
    ]
    if profile.is_public:
        found.append("it is in a community gallery, which everybody may only read")
    yield from found or [_nothing_granted(caller, scope)]


def _nothing_granted(caller: Caller, scope: Scope) -> str:
    return f"nothing on {scope_name(scope)} is granted to {caller.name}"


def _is_stranger(caller: Caller, scope: Scope, standing: Standing) -> bool:
    if any(one.invites(caller) for one in _sharing_of(scope, standing).invitations):
        return False
    return not any(
        covers(one.scope, scope) or covers(scope, one.scope) for one in _own(caller, standing)
    )


def _refused_grants(
    caller: Caller, action: Action, scope: Scope, standing: Standing
) -> Iterator[str]:
    for one in _own(caller, standing):
        if scope is not None and covers(one.scope, scope):
            yield f"{one.grant.assignee} has {one}, which does not include {action}"
        elif covers(scope, one.scope):
            yield f"{one.grant.assignee} has {one}, which does not reach up to {scope_name(scope)}"


def _refused_share(one: Invitation) -> str:
    who = f"{one.kind.noun} {one.consumer}"
    if one.state is InvitationState.ACCEPTED:
        return f"{who} has accepted the direct share, by which it may only read"
    return f"the direct share with {who} is {one.state.lower()}, not accepted"


def _own(caller: Caller, standing: Standing) -> Iterator[ScopedGrant]:
    """The caller's own grants, those that reach furthest first."""
    own = [one for one in standing.grants if caller.is_named_by(one.grant.assignee)]
    return iter(sorted(own, key=lambda one: len(lineage(one.scope))))


def _grantors(scope: Scope, standing: Standing) -> Iterator[str]:
    yield standing.owner
    for one in standing.grants:
        if one.grant.role is Role.OWNER and scope is not None and covers(one.scope, scope):
            yield str(one.grant.assignee)


def _sharing_of(scope: Scope, standing: Standing) -> SharingProfile:
    for gallery, profile in standing.sharing.items():
        if scope is not None and covers(gallery, scope):
            return profile
    return PRIVATE


def _same(one: Scope, other: Scope) -> bool:
    return type(one) is type(other) and _key(one) == _key(other)


def _key(scope: Scope) -> tuple[str, ...]:
    names: tuple[str, ...] = ()
    match scope:
        case GalleryId():
            names = (scope.subscription, scope.group, scope.gallery)
        case DefinitionId():
            names = (*_key(scope.gallery), scope.definition)
        case VersionId():
            names = (*_key(scope.definition), str(scope.version))
    return tuple(name.lower() for name in names)
