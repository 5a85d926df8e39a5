"""`imgrepl share`: who may do what with galleries, definitions and versions."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import list_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import GalleryOptions, IfMatch, Yes, option
from imgrepl.cli.run import Injected
from imgrepl.cli.share_options import (
    NOTHING_NAMED,
    AnyResourceOptions,
    Assignees,
    ResourceOptions,
    RoleName,
    Subscriptions,
    Tenants,
)
from imgrepl.errors import ImgreplError, UsageError

if TYPE_CHECKING:
    from imgrepl.actions.context import Context
    from imgrepl.actions.granting import ResourceId

app = noun("share")

ACCESS_PAGE = list_page(
    Column("Resource", "resource"),
    Column("How", "how"),
    Column("Who", "who"),
    Column("Role", "role"),
    Column("State", "state", spare=1),
    Column("Known as", "knownAs", spare=2),
    Column("By", "by", spare=3),
    Column("At", "at", spare=4),
)
CHECK_PAGE = list_page(
    Column("Action", "action"),
    Column("Allowed", "allowed"),
    Column("Why", "join('; ', reasons)"),
    Column("Roles that do", "join(', ', rolesNeeded)", spare=1),
    Column("Ask", "join(', ', grantors)", spare=2),
)


@app.command
def add(
    *,
    options: ResourceOptions,
    assignee: Assignees = (),
    role: RoleName = None,
    subscription_ids: Subscriptions = (),
    tenant_ids: Tenants = (),
    if_match: IfMatch = None,
    run: Injected,
) -> Answer:
    """Give a role on a gallery, definition or version, or share a gallery directly.

    A role counts on the resource and on all that lies in it. A direct share lets a whole
    subscription or tenant read a gallery that has --permissions Groups, once it has accepted.

    For example:

        imgrepl share add -r golden -i debian --assignee alice --role Reader

    Exit codes: 0 done; 2 neither a role nor anybody to share with; 3 no such resource; 4 the
    gallery is not to be shared directly, or has changed meanwhile; 5 a name, a role or a limit;
    9 not allowed.
    """
    who = _Whom(options.scope, assignee, role, subscription_ids, tenant_ids)
    with run.open() as ctx:
        who.add(ctx, if_match)
        return _listed(ctx, options.scope)


@app.command
def remove(
    *,
    options: ResourceOptions,
    assignee: Assignees = (),
    role: RoleName = None,
    subscription_ids: Subscriptions = (),
    tenant_ids: Tenants = (),
    if_match: IfMatch = None,
    run: Injected,
) -> Answer:
    """Take roles away where they were given, or end direct shares.

    Without --role all that somebody has on this very resource is taken away.

    For example:

        imgrepl share remove -r golden -i debian --assignee alice

    Exit codes: 0 done; 2 nobody was named; 3 no such resource, role or share; 4 it has changed
    meanwhile; 5 a name or a role; 9 not allowed.
    """
    who = _Whom(options.scope, assignee, role, subscription_ids, tenant_ids, role_optional=True)
    with run.open() as ctx:
        who.remove(ctx, if_match)
        return _listed(ctx, options.scope)


@app.command(name="list")
def list_access(
    *,
    options: AnyResourceOptions = NOTHING_NAMED,
    with_me: Annotated[
        bool, option("--with-me", text="What you reach, by any way, and what invites you.")
    ] = False,
    run: Injected,
) -> Answer:
    """List who reaches a resource and by which way, or what is shared with you.

    For example:

        imgrepl share list --with-me --principal alice,subscription=contoso

    Exit codes: 0 done; 2 neither a gallery nor --with-me; 3 no such resource; 9 not allowed.
    """
    from imgrepl.actions import granting
    from imgrepl.azure import sharing_shapes

    scope = options.scope
    if with_me is (scope is not None):
        raise UsageError("share list takes a resource (-r …) or --with-me, one of the two")
    with run.open() as ctx:
        found = granting.list_mine(ctx) if scope is None else granting.list_of(ctx, scope)
    return Answer([sharing_shapes.access(one) for one in found], page=ACCESS_PAGE)


@app.command
def reset(
    *, options: GalleryOptions, if_match: IfMatch = None, yes: Yes = False, run: Injected
) -> Answer:
    """Make a gallery private: end its direct shares and its public name, for good. Roles stay.

    For example:

        imgrepl share reset -r golden --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such gallery; 4 it has
    changed meanwhile; 9 not allowed.
    """
    from imgrepl.actions import sharing
    from imgrepl.azure import shapes

    run.confirm(f"End all sharing of gallery {options.gallery_id}?", yes=yes)
    with run.open() as ctx:
        return Answer(shapes.gallery(sharing.reset(ctx, options.gallery_id, if_match=if_match)))


@app.command(name="enable-community")
def enable_community(*, options: GalleryOptions, if_match: IfMatch = None, run: Injected) -> Answer:
    """Let everybody read a gallery that has --permissions Community, by its public name.

    For example:

        imgrepl share enable-community -r golden

    Exit codes: 0 done; 3 no such gallery; 4 it is no community gallery, or has changed meanwhile;
    5 something in it cannot be public; 9 not allowed.
    """
    from imgrepl.actions import sharing, sharing_status
    from imgrepl.azure import shapes, sharing_shapes

    with run.open() as ctx:
        made = sharing.enable_community(ctx, options.gallery_id, if_match=if_match)
        status = sharing_shapes.status(sharing_status.regions_told(ctx, made))
    return Answer(shapes.gallery(made, sharing_status=status))


@app.command
def check(
    principal: Annotated[
        str, Parameter(help="Whom to ask about: NAME[,group=GROUP …][,subscription=ID][,tenant=ID]")
    ],
    /,
    *,
    options: AnyResourceOptions = NOTHING_NAMED,
    action: Annotated[
        str | None,
        option("--action", text="This action only; refused exits with 9.", metavar="ACTION"),
    ] = None,
    run: Injected,
) -> Answer:
    """Explain what somebody may do with a resource, or with the index: each action, and why.

    Nothing is done in their name. --principal would do it as they.

    For example:

        imgrepl share check alice,group=operators -r golden -i debian -e 1.0.0

    Exit codes: 0 explained; 3 no such resource; 5 a name that is none, or no such action; 9 you may
    not see who has roles there, or the one action that was asked for is refused.
    """
    from imgrepl.actions import granting
    from imgrepl.azure import sharing_shapes
    from imgrepl.model.policy import parse_action
    from imgrepl.model.sharing import Caller

    chosen = () if action is None else (parse_action(action),)
    with run.open() as ctx:
        found = granting.explain(ctx, Caller.parse(principal), options.scope, chosen)
    refused = action is not None and not found[0].allowed
    error: ImgreplError | None = granting.refusal_of(found[0]) if refused else None
    return Answer([sharing_shapes.decision(one) for one in found], error=error, page=CHECK_PAGE)


def _listed(ctx: "Context", scope: "ResourceId") -> Answer:
    """Who reaches the resource now, as far as the caller may know."""
    from imgrepl.actions import granting
    from imgrepl.azure import sharing_shapes

    found = granting.list_of(ctx, scope)
    return Answer([sharing_shapes.access(one) for one in found], page=ACCESS_PAGE)


class _Whom:
    """Whom `share add` and `share remove` are about, checked for what does not go together."""

    def __init__(
        self,
        scope: "ResourceId",
        assignees: tuple[str, ...],
        role: str | None,
        subscriptions: tuple[str, ...],
        tenants: tuple[str, ...],
        *,
        role_optional: bool = False,
    ) -> None:
        from imgrepl.actions.sharing import Consumers
        from imgrepl.model.gallery import GalleryId
        from imgrepl.model.sharing import Assignee, Role

        self.scope = scope
        self.assignees = [Assignee.parse(one) for one in assignees]
        self.role = None if role is None else Role.parse(role)
        self.consumers = Consumers(subscriptions=subscriptions, tenants=tenants)
        directly = bool(subscriptions or tenants)
        if not assignees and not directly:
            raise UsageError("name somebody: --assignee, --subscription-ids or --tenant-ids")
        if bool(assignees) < bool(role) or (assignees and not role and not role_optional):
            raise UsageError("--assignee and --role go together")
        if directly and assignees:
            raise UsageError(
                "--assignee is about roles, --subscription-ids and --tenant-ids about direct"
                " shares: one of both at a time, so that neither is done alone"
            )
        if directly and not isinstance(scope, GalleryId):
            raise UsageError("only a whole gallery is shared directly: leave -i and -e out")

    def add(self, ctx: "Context", if_match: str | None) -> None:
        """Gives the role to each, and invites each."""
        from imgrepl.actions import granting, sharing
        from imgrepl.model.gallery import GalleryId

        if self.assignees:
            assert self.role is not None, "checked before"
            granting.grant_each(ctx, self.scope, self.assignees, self.role, if_match=if_match)
        if self.consumers.named() and isinstance(self.scope, GalleryId):
            sharing.invite(ctx, self.scope, self.consumers, if_match=if_match)

    def remove(self, ctx: "Context", if_match: str | None) -> None:
        """Takes the role from each, and ends each share."""
        from imgrepl.actions import granting, sharing
        from imgrepl.model.gallery import GalleryId

        if self.assignees:
            granting.revoke_each(ctx, self.scope, self.assignees, self.role, if_match=if_match)
        if self.consumers.named() and isinstance(self.scope, GalleryId):
            sharing.uninvite(ctx, self.scope, self.consumers, if_match=if_match)
