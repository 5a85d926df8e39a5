"""What Azure advises for production, and where these galleries are otherwise."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from imgrepl.errors import NotFound
from imgrepl.gallery import candidates, definitions, galleries, regions
from imgrepl.gallery import versions as rows
from imgrepl.model import latest
from imgrepl.model.advice import PRODUCTION_REPLICAS_MIN
from imgrepl.model.gallery import Gallery, ImageVersion, TargetRegion
from imgrepl.model.region import Region, StorageAccountType

_EXAMPLES_MAX = 3


class Practice(NamedTuple):
    """One piece of advice that is not followed, and the way to follow it."""

    name: str
    message: str
    hint: str


class _Stand(NamedTuple):
    """The latest version of a definition, in one of its target regions."""

    version: ImageVersion
    target: TargetRegion
    region: Region | None

    def __str__(self) -> str:
        count = self.target.replica_count
        return f"{self.version.id} in {self.target.name} ({count})"


def neglected(tx: Connection) -> Iterator[Practice]:
    """The advice that is not followed: of each definition its latest version is looked at."""
    latest_ones = list(_latest(tx))
    newest = [version for version in latest_ones if not version.is_shallow]
    known = {region.name: region for region in regions.list_all(tx)}
    stands = [
        _Stand(version, target, known.get(target.name))
        for version in newest
        for target in version.target_regions
    ]
    yield from _shallow([version for version in latest_ones if version.is_shallow])
    yield from _replicas(stands)
    yield from _zones(stands)
    yield from _servers(stands)
    yield from _spread(newest)
    yield from _galleries(galleries.list_all(tx))


def _latest(tx: Connection) -> Iterator[ImageVersion]:
    for definition in definitions.list_all(tx):
        try:
            name, _where = latest.resolve_anywhere(
                definition.id, candidates.newest_first(tx, definition.id)
            )
        except NotFound:
            continue
        yield rows.get(tx, definition.id.version(name))


def _shallow(shallow: Sequence[ImageVersion]) -> Iterator[Practice]:
    """Nothing else is said of these: they have one replica, in one region, by their kind."""
    if shallow:
        text = f"latest only points at its source: {_some([one.id for one in shallow])}"
        hint = (
            "it is gone with the source, and serves few machines at a time: `imgrepl image-version"
            " update` with --replication-mode Full copies it"
        )
        yield Practice("shallow", text, hint)


def _replicas(stands: Sequence[_Stand]) -> Iterator[Practice]:
    few = [one for one in stands if one.target.replica_count < PRODUCTION_REPLICAS_MIN]
    if few:
        text = f"fewer than {PRODUCTION_REPLICAS_MIN} replicas: {_some(few)}"
        hint = (
            f"production wants {PRODUCTION_REPLICAS_MIN}: `imgrepl image-version update` with"
            f" --add-regions REGION={PRODUCTION_REPLICAS_MIN}; `imgrepl advise` says how many"
        )
        yield Practice("replicas", text, hint)


def _zones(stands: Sequence[_Stand]) -> Iterator[Practice]:
    zonal = StorageAccountType.STANDARD_ZRS
    plain = [
        one
        for one in stands
        if one.target.storage_account_type is StorageAccountType.STANDARD_LRS
        and one.region is not None
        and one.region.offers(zonal)
    ]
    if plain:
        text = f"Standard_LRS where the region has zones: {_some(plain)}"
        hint = (
            "publish with --storage-account-strategy PreferStandard_ZRS; of a version that is"
            " there, a region's type changes when it is removed and added again"
        )
        yield Practice("zones", text, hint)


def _servers(stands: Sequence[_Stand]) -> Iterator[Practice]:
    shared = [
        one
        for one in stands
        if one.region is not None
        and one.target.storage_account_type is StorageAccountType.STANDARD_LRS
        and _servers_of(one.region) < one.target.replica_count
    ]
    if shared:
        names = sorted({one.target.name for one in shared})
        text = f"replicas share a server in {', '.join(names)}: {_some(shared)}"
        hint = (
            "they fail together and give no more bandwidth: `imgrepl region update` with"
            " --replica-url puts them on servers of their own"
        )
        yield Practice("servers", text, hint)


def _servers_of(region: Region) -> int:
    return len({endpoint.server for endpoint in region.standard})


def _spread(newest: Sequence[ImageVersion]) -> Iterator[Practice]:
    lone = [version for version in newest if len(version.target_regions) == 1]
    if lone:
        text = f"latest stands in one region only: {_some([one.id for one in lone])}"
        hint = "`imgrepl image-version update` with --add-regions puts it in another one as well"
        yield Practice("regions", text, hint)


def _galleries(known: Sequence[Gallery]) -> Iterator[Practice]:
    if len(known) == 1:
        text = f"there is one gallery only, {known[0].id}"
        hint = (
            "keep production and tests apart, and production in two galleries with different"
            " home regions: `imgrepl gallery create` makes one"
        )
        yield Practice("galleries", text, hint)
    elif known and len({gallery.location for gallery in known}) == 1:
        text = f"all {len(known)} galleries have the home region {known[0].location}"
        hint = "a gallery in another home region can still be written when this one is away"
        yield Practice("galleries", text, hint)
    bare = [gallery.id for gallery in known if not gallery.soft_delete_enabled]
    if bare:
        text = f"what is deleted is gone at once, as there is no bin: {_some(bare)}"
        hint = "`imgrepl gallery update` with --soft-delete keeps deleted versions for some days"
        yield Practice("bin", text, hint)


def _some(found: Sequence[object]) -> str:
    shown = ", ".join(str(one) for one in found[:_EXAMPLES_MAX])
    more = len(found) - _EXAMPLES_MAX
    return f"{shown} and {more} more" if more > 0 else shown
