"""The options that say where a version goes, in which order and whether as a copy."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.options import choice, option, options
from imgrepl.errors import UsageError
from imgrepl.model.gallery import ReplicationMode
from imgrepl.model.phases import Phases

REGION_GRAMMAR = "REGION[=COUNT[=TYPE]]"

TargetRegions = Annotated[
    tuple[str, ...] | None,
    options(
        "--target-regions",
        text="Where the version is to stand, how often and how kept:"
        " eastus=2 westeurope=1=standard_zrs.",
        metavar=REGION_GRAMMAR,
    ),
]
TargetEdgeZones = Annotated[
    tuple[str, ...] | None,
    options(
        "--target-edge-zones",
        text="As az: edge zones of target regions, westus=losangeles=1=standardssd_lrs; None takes"
        " them all away.",
        metavar="REGION=ZONE[=COUNT[=TYPE]]",
    ),
]
ReplicaCount = Annotated[
    int | None,
    option("--replica-count", text="Replicas in each region that states none.", metavar="N"),
]
ReplicationModeWord = Annotated[
    ReplicationMode | None,
    choice(
        "--replication-mode",
        text="Full copies the content; Shallow points at the source, which is checked at each read."
        " A Shallow version becomes Full by an update.",
        of=tuple(ReplicationMode),
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PhaseOptions:
    """In which order regions are filled."""

    phases: Annotated[
        tuple[str, ...],
        options(
            "--phases",
            text="Regions go phase by phase, the next one when all before it are complete and"
            " verified; a failure stops them: eastus westeurope,northeurope southeastasia.",
            metavar="REGION[,REGION]",
        ),
    ] = ()
    phase_pause: Annotated[
        float,
        option("--phase-pause", text="Wait so long behind each phase.", metavar="SECONDS"),
    ] = 0.0

    @property
    def roll_out(self) -> Phases | None:
        """The phases that were named."""
        if self.phases:
            return Phases.parse(self.phases, self.phase_pause)
        if self.phase_pause:
            raise UsageError("--phase-pause is for a roll-out in phases: name them with --phases")
        return None
