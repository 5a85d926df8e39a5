"""What happened lately, and who was allowed or refused what.

Every changing action logs itself, in its own transaction; the policy's answers are logged where it
is asked.
"""

from dataclasses import replace

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.errors import Invalid
from imgrepl.gallery import activity
from imgrepl.gallery.activity import EVERYTHING, ActivityEntry, ActivityFilter
from imgrepl.model.policy import Action, Scope, scope_name

LISTED_DEFAULT = 100
LISTED_MAX = 10_000


def list_recent(
    ctx: Context,
    limit: int = LISTED_DEFAULT,
    wanted: ActivityFilter = EVERYTHING,
    scope: Scope = None,
) -> list[ActivityEntry]:
    """The latest entries that are wanted, newest first; of a resource and what lies in it if given.

    Of one's own doings everybody may ask; of everybody's in a resource, who may see its activity,
    and of the whole index its owner. Raises `Invalid` (`OutOfRange`).
    """
    if not 1 <= limit <= LISTED_MAX:
        raise Invalid(
            f"{limit} entries: 1 to {LISTED_MAX} can be listed", code="OutOfRange", target="limit"
        )
    if wanted.principal is None or wanted.principal.lower() != ctx.caller.name.lower():
        asked = Action.INDEX_WRITE if scope is None else Action.ACTIVITY_READ
        allowing.check(ctx, asked, scope)
    if scope is not None:
        wanted = replace(wanted, target=scope_name(scope))
    with ctx.index.read() as tx:
        return activity.list_recent(tx, limit, wanted)
