"""Rules of shallow versions, phases and edge zones, each with an attempt to break it."""

from dataclasses import replace
from typing import Any

from actions.broken_rules import Broken, publish, update
from engine.world import World, region_named
from imgrepl.actions import following, regions
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.model.gallery import ReplicationMode
from imgrepl.model.phases import Phases
from imgrepl.model.region import StorageAccountType
from imgrepl.testing.faulty import Fault, FaultKind

HOME, AWAY, FAR = (TargetRequest(name) for name in ("eastus", "westeurope", "southeastasia"))


def shallow(world: World, **fields: Any) -> object:
    return publish(world, replication_mode=ReplicationMode.SHALLOW, location="eastus", **fields)


def edge(world: World, *targets: TargetRequest, **fields: Any) -> object:
    """A version for an edge zone of westeurope."""
    regions.add(world.ctx, replace(region_named("zurich"), parent="westeurope"))
    return publish(world, **{"location": "eastus", **fields}, target_regions=list(targets))


def phased(world: World, *words: str) -> object:
    phases = Phases.parse(words)
    return publish(world, location="eastus", target_regions=[HOME, AWAY, FAR], phases=phases)


def out_of_turn(world: World) -> object:
    """The last region of a roll-out that stopped before it."""
    full = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("westeurope").faults.append(full)
    phased(world, "eastus", "westeurope", "southeastasia")
    return following.retry(world.ctx, world.id("2.0.0"), region="southeastasia")


REGION_RULES = (
    Broken(
        "shallow version stands at home alone",
        lambda world: shallow(world, target_regions=[HOME, AWAY]),
        "ShallowRule",
        5,
        ("eastus alone", "westeurope", "--replication-mode"),
    ),
    Broken(
        "shallow version has one replica",
        lambda world: shallow(world, target_regions=[TargetRequest("eastus", 2)]),
        "ShallowRule",
        5,
        ("1 replica", "2"),
    ),
    Broken(
        "shallow version's source is whole by itself",
        lambda world: shallow(world, parents={None: ("base.vhd",)}),
        "ShallowRule",
        5,
        ("--parent", "one file a disk"),
    ),
    Broken(
        "full version stays full",
        lambda world: update(world, replication_mode=ReplicationMode.SHALLOW),
        "ImmutableProperty",
        4,
        ("Full", "Shallow", "another number"),
    ),
    Broken(
        "phases name every target region once",
        lambda world: phased(world, "eastus", "westeurope"),
        "InvalidPhases",
        5,
        ("southeastasia", "in no phase", "one phase"),
    ),
    Broken(
        "home region is in the first phase",
        lambda world: phased(world, "westeurope", "eastus,southeastasia"),
        "InvalidPhases",
        5,
        ("eastus", "first phase"),
    ),
    Broken(
        "region's turn in a roll-out",
        out_of_turn,
        "PhaseNotReached",
        4,
        ("southeastasia", "westeurope", "--all-at-once"),
    ),
    Broken(
        "edge zone's region is a target",
        lambda world: edge(world, HOME, TargetRequest("zurich")),
        "InvalidTargetRegions",
        5,
        ("zurich", "westeurope"),
    ),
    Broken(
        "edge zone is nobody's home",
        lambda world: edge(world, AWAY, TargetRequest("zurich"), location="zurich"),
        "EdgeZoneAsHome",
        5,
        ("zurich", "westeurope"),
    ),
    Broken(
        "StandardSSD_LRS is for edge zones",
        lambda world: edge(
            world, HOME, TargetRequest("westeurope", 1, StorageAccountType.STANDARD_SSD_LRS)
        ),
        "StorageTypeNotOffered",
        5,
        ("westeurope", "StandardSSD_LRS", "Standard_LRS"),
    ),
    Broken(
        "parent of an edge zone",
        lambda world: regions.add(world.ctx, replace(region_named("zurich"), parent="zurich")),
        "InvalidParentRegion",
        5,
        ("zurich", "does not belong to itself", "--parent"),
    ),
)
