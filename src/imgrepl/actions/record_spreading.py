"""Carries a change of a resource to the regions' records.

The one place where these actions reach a bucket. The index has the change already: a region that
cannot be reached is told of in a notice and gets the record with the next operation there.
The engine's records are loaded when one is written: looking at a gallery needs none.
"""

from imgrepl.actions.context import Context
from imgrepl.gallery import activity, place_records, places
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion

LOGGED_AS = "record.write"

Resource = Gallery | ImageDefinition | ImageVersion


def publish(ctx: Context, resource: Resource) -> None:
    """Writes its record in its home region and wherever an earlier revision is.

    What could not be written is logged, too.
    """
    from imgrepl.engine import records

    failed = records.spread(ctx.engine, records.entry_of(resource), regions_of(ctx, resource))
    if failed:
        detail = {"revision": resource.revision, "regions": failed}
        with ctx.index.begin() as tx:
            activity.log(tx, LOGGED_AS, str(resource.id), "Failed", detail, ctx.principal)


def bury(ctx: Context, resource: Resource, revision: int) -> None:
    """Writes its tombstone wherever a record of it is."""
    from imgrepl.engine import records

    entry = records.tombstone_of(resource, revision)
    records.spread(ctx.engine, entry, regions_of(ctx, resource))


def regions_of(ctx: Context, resource: Resource) -> list[str]:
    """Its home region and every other that has a record of it."""
    with ctx.index.read() as tx:
        held = place_records.places_with(tx, resource.id, resource.incarnation)
        known = [places.get(tx, place_id).region for place_id in held]
    return list(dict.fromkeys([resource.location, *known]))
