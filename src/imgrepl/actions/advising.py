"""Says how many replicas a deployment needs, and what stands in its way."""

from collections.abc import Iterator
from dataclasses import dataclass

from imgrepl.actions import allowing, versions
from imgrepl.actions.context import Context
from imgrepl.engine import replicator
from imgrepl.engine.read_speed import ReadSpeed, read_speed
from imgrepl.engine.replicator import RegionPart
from imgrepl.errors import Corrupt, Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.gallery import contents, regions
from imgrepl.gallery import versions as rows
from imgrepl.model import advice
from imgrepl.model.advice import Deployment
from imgrepl.model.gallery import DefinitionId, ImageVersion, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.references import options_naming
from imgrepl.model.region import Place, Region, StorageAccountType, normal_region_name
from imgrepl.model.replica import ReplicaState

_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How replicas are measured: so long and so much each, one after the other.

    `within_seconds` is the time in which every machine is to have read its image.
    """

    seconds_max: float = 3.0
    bytes_max: int = 256 * _MIB
    within_seconds: float = 600.0

    def __post_init__(self) -> None:
        if min(self.seconds_max, self.bytes_max, self.within_seconds) <= 0:
            raise Invalid("a measurement takes time and bytes: more than 0", code="OutOfRange")


@dataclass(frozen=True, kw_only=True)
class MeasuredReplica:
    """One replica's speed, or why it has none."""

    replica: int
    speed: ReadSpeed | None
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """How many replicas by each rule, and how many to have.

    `by_speed` is None where nothing was measured; else it is what is recommended, as it knows these
    replicas. `present` is how many complete replicas `version` has in the region.
    """

    deployment: Deployment
    careful: int
    today: int
    by_speed: int | None
    recommended: int
    region: str | None
    version: VersionId | None
    present: int | None
    measured: tuple[MeasuredReplica, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Subject:
    """What the advice is about, as far as it was said."""

    region: Region | None
    version: ImageVersion | None
    part: RegionPart | None

    @property
    def complete(self) -> list[tuple[int, list[Place]]]:
        """The replicas that serve, by number, and their places."""
        if self.part is None:
            return []
        return [
            (replica.number, list(group))
            for replica, group in zip(self.part.replicas, self.part.places, strict=True)
            if replica.state is ReplicaState.COMPLETED
        ]


def advise(
    ctx: Context,
    deployment: Deployment,
    *,
    region: str | None = None,
    definition: DefinitionId | None = None,
    measurement: Measurement | None = None,
) -> Advice:
    """How many replicas a deployment in `region` needs, of `latest` of a definition or of any.

    Without a region the home region of `latest` is meant; without a definition either, the rules
    alone speak. A measurement reads from every complete replica; one that fails is told and left
    out. Raises `NotFound`, and `Invalid` (`NothingToMeasure`) for a measurement of no definition.
    """
    if definition is None:
        allowing.check(ctx, Action.INDEX_READ, None)
    else:
        allowing.check(ctx, Action.VERSION_READ, definition)
    subject = _subject(ctx, region, definition)
    careful = deployment.replicas(advice.VMS_PER_REPLICA_CAREFUL)
    measured: tuple[MeasuredReplica, ...] = ()
    by_speed = None
    if measurement is not None:
        measured = tuple(_measured(ctx, subject, measurement))
        by_speed = _by_speed(subject, measured, deployment, measurement)
    recommended = careful if by_speed is None else by_speed
    return Advice(
        deployment=deployment,
        careful=careful,
        today=deployment.replicas(advice.VMS_PER_REPLICA_TODAY),
        by_speed=by_speed,
        recommended=recommended,
        region=None if subject.region is None else subject.region.name,
        version=None if subject.version is None else subject.version.id,
        present=None if subject.version is None else len(subject.complete),
        measured=measured,
        warnings=tuple(_warnings(ctx, subject, recommended)),
    )


def _subject(ctx: Context, region: str | None, definition: DefinitionId | None) -> _Subject:
    where = None if region is None else normal_region_name(region)
    with ctx.index.read() as tx:
        version = None
        if definition is not None:
            version = rows.get(tx, versions.resolve_name(tx, definition, versions.LATEST, where))
            where = where or version.location
        found = None if where is None else regions.get(tx, where)
    part = None
    if version is not None:
        parts = replicator.region_parts(ctx.engine, version.id)
        part = next((one for one in parts if one.region == where), None)
    return _Subject(found, version, part)


def _measured(
    ctx: Context, subject: _Subject, measurement: Measurement
) -> Iterator[MeasuredReplica]:
    if subject.version is None:
        raise Invalid(
            "a measurement reads the replicas of an image",
            code="NothingToMeasure",
            hint="name one with -r and -i",
        )
    with ctx.index.read() as tx:
        pack_ids = list(contents.packs_of(tx, subject.version.content_ids))
    for number, places in subject.complete:
        try:
            speed = read_speed(
                ctx.engine,
                places[0],
                pack_ids,
                seconds_max=measurement.seconds_max,
                bytes_max=measurement.bytes_max,
            )
        except (Corrupt, NotAllowed, NotFound, Unavailable) as error:
            yield MeasuredReplica(replica=number, speed=None, problem=error.message)
        else:
            yield MeasuredReplica(replica=number, speed=speed, problem=None)


def _by_speed(
    subject: _Subject,
    measured: tuple[MeasuredReplica, ...],
    deployment: Deployment,
    measurement: Measurement,
) -> int | None:
    """By the mean of the replicas that answered; a machine reads the image as it is stored."""
    rates = [one.speed.bytes_per_second for one in measured if one.speed is not None]
    if subject.version is None or not rates:
        return None
    return advice.replicas_by_speed(
        deployment.machines,
        sum(disk.stored_bytes or 0 for disk in subject.version.disks),
        measurement.within_seconds,
        sum(rates) / len(rates),
    )


def _warnings(ctx: Context, subject: _Subject, recommended: int) -> Iterator[str]:
    most = ctx.limits.replicas_max
    if recommended > most:
        yield (
            f"a version has at most {most} replicas in a region: spread the deployment over"
            f" {-(-recommended // most)} regions, or start it in as many parts"
        )
    if recommended < advice.PRODUCTION_REPLICAS_MIN:
        yield f"production wants at least {advice.PRODUCTION_REPLICAS_MIN} replicas in a region"
    region = subject.region
    if region is None:
        return
    servers = len({endpoint.server for endpoint in region.standard})
    if servers < min(recommended, most):
        yield (
            f"{region.name} keeps its replicas on {servers} server{'s' if servers > 1 else ''}:"
            " more replicas than servers are copies, not more bandwidth, and fail together;"
            f" `imgrepl region update {region.name} --replica-url` adds one"
        )
    if not region.offers(StorageAccountType.STANDARD_ZRS):
        yield f"{region.name} has no zones: its replicas are lost with their server"
    if subject.version is not None and len(subject.complete) < min(recommended, most):
        yield _too_few(subject.version, region, len(subject.complete), min(recommended, most))


def _too_few(version: ImageVersion, region: Region, present: int, wanted: int) -> str:
    return (
        f"{version.id} has {present} complete in {region.name}: `imgrepl image-version update"
        f" {options_naming(version.id)}"
        f" --add-regions {region.name}={wanted}` makes it {wanted}"
    )
