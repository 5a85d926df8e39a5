"""The store as it is before anything is collected: all that must be read, region by region."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgrepl.engine import places as place_checks
from imgrepl.engine import resume
from imgrepl.engine.abandoned import Abandoned
from imgrepl.engine.collect_roots import Need, Roots, read_needs
from imgrepl.engine.collect_steps import INTENTS_MAX, Inspected
from imgrepl.engine.collect_survey import Survey, survey
from imgrepl.engine.context import Engine
from imgrepl.engine.resume import LookedAt
from imgrepl.errors import Conflict, ImgreplError, Interrupted
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery import unneeded
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.events import Notice
from imgrepl.model.ids import OperationId
from imgrepl.model.region import Place, PlaceRole, Region


@dataclass(frozen=True, kw_only=True)
class RegionView:
    """A region as it was read, `places` to `intents` of each. `error` says why not at all."""

    region: str
    places: tuple[Place, ...]
    needs: tuple[Need, ...] = ()
    surveys: tuple[Survey, ...] = ()
    intents: tuple[tuple[LookedAt, ...], ...] = ()
    error: ImgreplError | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """The whole store as it was read. `given_up` are operations that nobody goes on with."""

    regions: tuple[RegionView, ...]
    given_up: frozenset[OperationId]
    grace_seconds: float

    @property
    def roots(self) -> Roots:
        """The needs of all records that could be read."""
        return Roots(needs=tuple(need for region in self.regions for need in region.needs))

    @property
    def is_whole(self) -> bool:
        """Whether every region could be read."""
        return all(region.error is None for region in self.regions)

    def inspected(self, region: RegionView) -> Iterator[Inspected]:
        """What is to be collected in a region: nothing where it could not be read."""
        for place, found, intents in zip(
            region.places, region.surveys, region.intents, strict=region.error is None
        ):
            yield Inspected(
                place=place,
                survey=found,
                roots=self.roots,
                intents=intents,
                given_up=self.given_up,
            )


def look(
    engine: Engine, given_up: Iterable[Abandoned], grace_seconds: float, *, may_write: bool
) -> View:
    """Reads all that must be known before anything may be deleted."""
    with engine.index.read() as tx:
        regions = region_rows.list_all(tx)
    operation_ids = frozenset(one.operation_id for one in given_up if one.operation_id)
    views = []
    for region in regions:
        with engine.index.read() as tx:
            places = [
                place
                for place in place_rows.of_region(tx, region.name)
                if place_rows.prepared(tx, place.id) is not None
            ]
        if places:
            views.append(_look_at(engine, region, places, operation_ids, may_write))
    return View(regions=tuple(views), given_up=operation_ids, grace_seconds=grace_seconds)


def _look_at(
    engine: Engine,
    region: Region,
    places: Sequence[Place],
    given_up: frozenset[OperationId],
    may_write: bool,
) -> RegionView:
    try:
        for place in places:
            _check_place(engine, place, may_write=may_write)
        needs = read_needs(engine, places, _record_place(engine, region))
        intents = [_look_at_intents(engine, place, given_up) for place in places]
        surveys = [survey(engine, place) for place in places]
    except Interrupted:
        raise
    except ImgreplError as error:
        text = f"nothing is deleted in {region.name}: {error.message}"
        engine.events(Notice(level="warning", text=text, subject=region.name))
        return RegionView(region=region.name, places=tuple(places), error=error)
    return RegionView(
        region=region.name,
        places=tuple(places),
        needs=tuple(needs),
        surveys=tuple(surveys),
        intents=tuple(intents),
    )


def _check_place(engine: Engine, place: Place, *, may_write: bool) -> None:
    """Raises `Conflict`: `CollectingOff`, `NotOwner`, `PlaceNeedsNewerVersion`."""
    if not _capabilities(engine, place, may_write=may_write).may_collect:
        raise Conflict(
            f"collecting is off in {place.name}: its server was not seen to do conditional writes,"
            " so another index that writes there could not be kept out",
            code="CollectingOff",
            target=place.name,
            hint="`imgrepl region check` tries again what the server can do; it must have"
            " If-None-Match and If-Match on PUT",
        )
    store, identity = engine.stores.of(place), engine.index.identity
    place_checks.expect_features(store, place)
    if may_write:
        place_checks.check_owner(store, place, identity, may_claim=False)
    else:
        place_checks.expect_owner(store, place, identity)


def _capabilities(engine: Engine, place: Place, *, may_write: bool) -> Capabilities:
    """What the place's server can do; one that could not do enough is asked again."""
    with engine.index.read() as tx:
        noted = place_rows.prepared(tx, place.id)
    assert noted is not None, "only prepared places are looked at"
    capabilities = Capabilities.from_json(noted)
    if capabilities.may_collect or not may_write:
        return capabilities
    probed = engine.stores.probe(place)
    with engine.index.begin() as tx:
        place_rows.set_prepared(tx, place.id, probed.as_json())
    return probed


def _record_place(engine: Engine, region: Region) -> Place:
    with engine.index.begin() as tx:
        return place_rows.ensure(tx, region, PlaceRole.STANDARD, 0)


def _look_at_intents(
    engine: Engine, place: Place, given_up: frozenset[OperationId]
) -> tuple[LookedAt, ...]:
    with engine.index.read() as tx:
        intents = unneeded.abandoned_intents(tx, place.id, INTENTS_MAX, of=given_up)
    return tuple(resume.look(engine, {place.id: place}, intents))
