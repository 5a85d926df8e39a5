"""What happened lately. Every changing action logs itself, in its own transaction."""

from imgrepl.actions.context import Context
from imgrepl.gallery import activity
from imgrepl.gallery.activity import ActivityEntry

LISTED_MAX = 100


def list_recent(
    ctx: Context, limit: int = LISTED_MAX, target: str | None = None
) -> list[ActivityEntry]:
    """The latest entries, newest first, of one target where given."""
    with ctx.index.read() as tx:
        return activity.list_recent(tx, limit, target)
