"""`imgrepl advise`: how many replicas a deployment needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Block, Column, Grid, Lines
from imgrepl.cli.fact_page import fact_page
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import GroupOptions, option
from imgrepl.cli.run import Injected
from imgrepl.errors import UsageError
from imgrepl.model.advice import Deployment
from imgrepl.model.gallery import DefinitionId, GalleryId

if TYPE_CHECKING:
    from imgrepl.actions.advising import Measurement

app = lone_command("advise")
_MEASURED = (
    Column("Replica", "replica"),
    Column("Read", "readBytes", spare=1),
    Column("Time", "seconds", spare=2),
    Column("MB/s", "megabytesPerSecond"),
    Column("Problem", "problem"),
)
_figures = fact_page(
    {
        "Region": "region",
        "Version": "version",
        "Replicas it has": "replicas.present",
        "Replicas to have": "replicas.recommended",
        "At 20 VMs each": "replicas.at20VmsEach",
        "At 50 VMs each": "replicas.at50VmsEach",
        "By their speed": "replicas.bySpeed",
    },
    ("measured", Grid((), _MEASURED, "Measured")),
)


def advice_page(advice: Mapping[str, Any]) -> Iterator[Block]:
    """What `advise` gives."""
    yield from _figures(advice)
    yield Lines(advice["warnings"], "Mind")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AdviseOptions(GroupOptions):
    """What `advise` takes."""

    vms: Annotated[int, option("--vms", text="VMs started at once.", metavar="N")] = 0
    scale_sets: Annotated[
        int, option("--scale-sets", text="Or scale sets made at once.", metavar="N")
    ] = 0
    instances: Annotated[
        int, option("--instances", text="Instances of each scale set.", metavar="M")
    ] = 600
    region: Annotated[
        str | None, option("--region", text="Where they are started.", metavar="REGION")
    ] = None
    gallery: Annotated[
        str | None, option("--gallery-name", "-r", text="Of an image here.", metavar="GALLERY")
    ] = None
    definition: Annotated[
        str | None,
        option("--gallery-image-definition", "-i", text="Which image: its latest.", metavar="NAME"),
    ] = None
    measure: Annotated[
        bool, option("--measure", text="Read from each replica and go by its speed.")
    ] = False
    measure_seconds: Annotated[
        float, option("--measure-seconds", text="So long from each.", metavar="SECONDS")
    ] = 3.0
    measure_bytes: Annotated[
        int, option("--measure-bytes", text="And at most so much.", metavar="BYTES")
    ] = 256 << 20
    within_seconds: Annotated[
        float,
        option("--within", text="All have read their image after so long.", metavar="SECONDS"),
    ] = 600.0

    @property
    def deployment(self) -> Deployment:
        """What is started. Raises `UsageError` where that is nothing, or two things."""
        if bool(self.vms) == bool(self.scale_sets):
            raise UsageError("say --vms or --scale-sets; one of them")
        return Deployment(vms=self.vms, scale_sets=self.scale_sets, instances=self.instances)

    @property
    def measurement(self) -> "Measurement | None":
        """How replicas are measured, if they are to be."""
        from imgrepl.actions.advising import Measurement

        if not self.measure:
            return None
        return Measurement(
            seconds_max=self.measure_seconds,
            bytes_max=self.measure_bytes,
            within_seconds=self.within_seconds,
        )

    @property
    def image(self) -> DefinitionId | None:
        """The image that was named, if one was. Raises `UsageError` for half of a name."""
        if (self.gallery is None) != (self.definition is None):
            raise UsageError("an image is named by both, -r and -i")
        if self.gallery is None or self.definition is None:
            return None
        where = GalleryId(subscription=self.subscription, group=self.group, gallery=self.gallery)
        return where.definition(self.definition)


@app.default
def advise(*, options: AdviseOptions | None = None, run: Injected) -> Answer:
    """Say how many replicas a deployment needs in a region.

    By Azure's rules: a replica for every 20 VMs (today also 50), or for every scale set of up to
    600 instances. With --measure by what the replicas of an image's latest version really give.

    For example:

        imgrepl advise --vms 500 --region eastus -r golden -i debian --measure

    Exit codes: 0 done; 2 neither VMs nor scale sets, or both; 3 no such region, or no latest; 5 a
    number is out of range; 130 interrupted.
    """
    from imgrepl.actions import advising
    from imgrepl.azure import advice_shapes

    asked = options or AdviseOptions()
    deployment, measurement = asked.deployment, asked.measurement
    with run.open() as ctx:
        found = advising.advise(
            ctx,
            deployment,
            region=asked.region,
            definition=asked.image,
            measurement=measurement,
        )
    return Answer(advice_shapes.advice(found), page=advice_page)
