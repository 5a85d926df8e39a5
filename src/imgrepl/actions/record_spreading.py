"""Carries a change of a gallery or definition to the regions' records.

The one place where these actions reach a bucket. The index has the change already: a region that
cannot be reached is told of in a notice and gets the record with the next operation there.
"""

from imgrepl.actions.context import Context
from imgrepl.engine import records
from imgrepl.gallery import place_records, places
from imgrepl.model.gallery import Gallery, ImageDefinition

Resource = Gallery | ImageDefinition


def publish(ctx: Context, resource: Resource) -> None:
    """Writes its record in its home region and wherever an earlier revision is."""
    records.spread(ctx.engine, records.entry_of(resource), _regions_of(ctx, resource))


def bury(ctx: Context, resource: Resource, revision: int) -> None:
    """Writes its tombstone wherever a record of it is."""
    entry = records.tombstone_of(resource, revision)
    records.spread(ctx.engine, entry, _regions_of(ctx, resource))


def _regions_of(ctx: Context, resource: Resource) -> list[str]:
    with ctx.index.read() as tx:
        held = place_records.places_with(tx, resource.id, resource.incarnation)
        known = [places.get(tx, place_id).region for place_id in held]
    return list(dict.fromkeys([resource.location, *known]))
