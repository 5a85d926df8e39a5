"""Roles that a copy, an export or an import leaves behind, on purpose.

Who may do what is decided where a resource lies: a copy gives nobody a right that nobody has there.
"""

from collections.abc import Iterable

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.model.events import Notice
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion
from imgrepl.model.policy import Action, ScopedGrant

Resource = Gallery | ImageDefinition | ImageVersion


def roles_on(source: Context, resources: Iterable[Resource]) -> tuple[ScopedGrant, ...]:
    """The roles that stand on these resources, as far as who asks may see them."""
    return tuple(
        ScopedGrant(scope=one.id, grant=grant)
        for one in resources
        if one.grants and _may_see(source, one)
        for grant in one.grants
    )


def tell(ctx: Context, left: Iterable[ScopedGrant]) -> None:
    """Says which roles a copy has not, where there are some."""
    named = [f"{one.grant.assignee} is {one}" for one in left]
    if named:
        counted = "1 role is" if len(named) == 1 else f"{len(named)} roles are"
        text = f"{counted} not copied: {'; '.join(named)}"
        ctx.events(Notice(level="warning", text=text))


def _may_see(source: Context, resource: Resource) -> bool:
    return allowing.decide(source, source.caller, Action.GRANT_READ, resource.id).allowed
