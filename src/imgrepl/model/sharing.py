"""Who was given what: roles granted to people, galleries shared with others or with everyone.

Values and their JSON; what they allow is decided in `policy`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from imgrepl.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+\\-]{0,126}[A-Za-z0-9])?")
_GROUP_PREFIX = "group:"
_CALLER_RULE = "NAME[,group=GROUP …][,subscription=ID][,tenant=ID]"

Json = dict[str, Any]


class Role(StrEnum):
    """What may be granted; Azure's names."""

    OWNER = "Owner"
    CONTRIBUTOR = "Contributor"
    READER = "Reader"
    SHARING_ADMIN = "Compute Gallery Sharing Admin"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a role in any case, with spaces, dashes or neither between its words."""
        wanted = _letters(text)
        for role in cls:
            if _letters(role) == wanted:
                return role
        raise Invalid(
            f"{text!r} is no role: {', '.join(cls)}",
            code="InvalidRole",
            target=text,
            hint="`imgrepl share check` shows which of them allow what",
        )


class SharingState(StrEnum):
    """Whether a region's record says how a gallery is shared now, in Azure's words."""

    SUCCEEDED = "Succeeded"
    UNKNOWN = "Unknown"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"

    @classmethod
    def worst(cls, states: "Iterable[SharingState]") -> "SharingState":
        """The last of them, in the order in which they are named here."""
        return max(states, key=list(cls).index)


class AssigneeKind(StrEnum):
    """Whom a role may be granted to. A service principal is a user with a name like any other."""

    USER = "User"
    GROUP = "Group"


@dataclass(frozen=True, kw_only=True)
class Assignee:
    """A user or a group. Names compare without case."""

    kind: AssigneeKind = AssigneeKind.USER
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `alice` or `group:operators`. Raises `Invalid` (`InvalidPrincipal`)."""
        if text.startswith(_GROUP_PREFIX):
            name = check_principal(text.removeprefix(_GROUP_PREFIX))
            return cls(kind=AssigneeKind.GROUP, name=name)
        return cls(name=check_principal(text))

    def __str__(self) -> str:
        return f"{_GROUP_PREFIX if self.kind is AssigneeKind.GROUP else ''}{self.name}"

    def is_same(self, other: "Assignee") -> bool:
        """Whether both name the same user or group."""
        return self.kind is other.kind and self.name.lower() == other.name.lower()


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role that somebody was given on a resource, which is known from where the grant stands."""

    assignee: Assignee
    role: Role
    granted_by: str
    granted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks: a name, the groups it is in, and the subscription and tenant it comes from.

    `owns_index` is whether the gallery index is its own: it may do everything.
    """

    name: str
    groups: tuple[str, ...] = ()
    subscription: str | None = None
    tenant: str | None = None
    owns_index: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `alice,group=operators,subscription=contoso`.

        Raises `Invalid` (`InvalidPrincipal`).
        """
        name, *attributes = text.split(",")
        groups: list[str] = []
        single: dict[str, str] = {}
        for attribute in attributes:
            key, equals, value = attribute.strip().partition("=")
            if key == "group" and equals:
                groups.append(check_principal(value))
            elif key in {"subscription", "tenant"} and equals and key not in single:
                single[key] = check_principal(value)
            else:
                raise Invalid(
                    f"{text!r} names nobody: {_CALLER_RULE}",
                    code="InvalidPrincipal",
                    target=text,
                    hint="for example alice,group=operators,subscription=contoso",
                )
        return cls(
            name=check_principal(name.strip()),
            groups=tuple(groups),
            subscription=single.get("subscription"),
            tenant=single.get("tenant"),
        )

    def __str__(self) -> str:
        groups = [f"group={group}" for group in self.groups]
        attributes = {"subscription": self.subscription, "tenant": self.tenant}
        single = [f"{key}={value}" for key, value in attributes.items() if value is not None]
        return ",".join([self.name, *groups, *single])

    def is_named_by(self, assignee: Assignee) -> bool:
        """Whether a grant to `assignee` is one to this caller."""
        names = self.groups if assignee.kind is AssigneeKind.GROUP else (self.name,)
        return assignee.name.lower() in {name.lower() for name in names}


class SharingPermission(StrEnum):
    """How a gallery is shared beside roles; Azure's words, here and below."""

    PRIVATE = "Private"
    GROUPS = "Groups"
    COMMUNITY = "Community"


class ConsumerKind(StrEnum):
    """Whom a gallery is shared with directly."""

    SUBSCRIPTION = "Subscriptions"
    TENANT = "AADTenants"

    @property
    def noun(self) -> str:
        """The word for one of them."""
        return "subscription" if self is ConsumerKind.SUBSCRIPTION else "tenant"


class InvitationState(StrEnum):
    """What a consumer said to a direct share. Only an accepted one lets it read."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """A gallery's direct share with one subscription or tenant."""

    kind: ConsumerKind
    consumer: str
    state: InvitationState = InvitationState.PENDING
    invited_by: str
    invited_at: datetime
    answered_by: str | None = None
    answered_at: datetime | None = None

    def is_for(self, kind: ConsumerKind, consumer: str) -> bool:
        """Whether it invites this subscription or tenant."""
        return self.kind is kind and self.consumer.lower() == consumer.lower()

    def invites(self, caller: Caller) -> bool:
        """Whether the caller comes from what is invited."""
        own = caller.subscription if self.kind is ConsumerKind.SUBSCRIPTION else caller.tenant
        return own is not None and self.is_for(self.kind, own)


@dataclass(frozen=True, kw_only=True)
class CommunityInfo:
    """What everybody is told of a community gallery. `enabled` is whether it is public now."""

    publisher_uri: str
    publisher_contact: str
    eula: str
    public_name_prefix: str
    public_name: str
    enabled: bool = False


@dataclass(frozen=True, kw_only=True)
class SharingProfile:
    """How a gallery is shared beside the roles that were granted on it."""

    permissions: SharingPermission = SharingPermission.PRIVATE
    invitations: tuple[Invitation, ...] = ()
    community: CommunityInfo | None = None

    @property
    def is_public(self) -> bool:
        """Whether everybody may read the gallery."""
        community = self.permissions is SharingPermission.COMMUNITY and self.community
        return bool(community and community.enabled)


PRIVATE = SharingProfile()


def check_principal(name: str) -> str:
    """The name of a user, group, subscription or tenant. Raises `Invalid` (`InvalidPrincipal`)."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name of a principal: 1 to 128 ASCII letters, digits and ._@+-\\,"
            " first and last a letter or digit",
            code="InvalidPrincipal",
            target=name,
            hint=f"who asks is {_CALLER_RULE}; a role is given to NAME or group:NAME",
        )
    return name


def grants_to_json(grants: Iterable[Grant]) -> list[Json]:
    """Grants for a row or a record."""
    return [
        {
            "assignee": str(grant.assignee),
            "role": grant.role.value,
            "granted_by": grant.granted_by,
            "granted_at": grant.granted_at.isoformat(),
        }
        for grant in grants
    ]


def grants_of_json(values: Iterable[Mapping[str, Any]]) -> tuple[Grant, ...]:
    """Back from `grants_to_json`."""
    return tuple(
        Grant(
            assignee=Assignee.parse(value["assignee"]),
            role=Role(value["role"]),
            granted_by=value["granted_by"],
            granted_at=datetime.fromisoformat(value["granted_at"]),
        )
        for value in values
    )


def profile_to_json(profile: SharingProfile) -> Json:
    """A sharing profile for a row or a record."""
    return {
        "permissions": profile.permissions.value,
        "invitations": [_invitation_to_json(one) for one in profile.invitations],
        "community": None if profile.community is None else dict(vars(profile.community)),
    }


def profile_of_json(value: Mapping[str, Any]) -> SharingProfile:
    """Back from `profile_to_json`."""
    community = value["community"]
    return SharingProfile(
        permissions=SharingPermission(value["permissions"]),
        invitations=tuple(_invitation_of_json(one) for one in value["invitations"]),
        community=None if community is None else CommunityInfo(**community),
    )


def _invitation_to_json(one: Invitation) -> Json:
    return {
        **vars(one),
        "kind": one.kind.value,
        "state": one.state.value,
        "invited_at": one.invited_at.isoformat(),
        "answered_at": one.answered_at and one.answered_at.isoformat(),
    }


def _invitation_of_json(value: Mapping[str, Any]) -> Invitation:
    answered_at = value["answered_at"]
    moments = {
        "invited_at": datetime.fromisoformat(value["invited_at"]),
        "answered_at": answered_at and datetime.fromisoformat(answered_at),
    }
    kind, state = ConsumerKind(value["kind"]), InvitationState(value["state"])
    return Invitation(**{**value, **moments, "kind": kind, "state": state})


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
