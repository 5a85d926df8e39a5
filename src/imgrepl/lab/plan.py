"""Which servers a lab has: what was asked for, and what it has already."""

from dataclasses import dataclass
from pathlib import Path

from imgrepl.errors import Conflict, Invalid
from imgrepl.lab.ports import free_ports
from imgrepl.lab.program import ServerProgram
from imgrepl.lab.state import LabServer, LabState, server_name
from imgrepl.model.region import normal_region_name

DEFAULT_REGIONS = ("East US", "West Europe", "Southeast Asia")
SERVERS_MAX = 24
"""SeaweedFS takes about 200 MB for each server."""

_BUCKET_NAME_LENGTH_MAX = 63


@dataclass(frozen=True, kw_only=True)
class LabOptions:
    """What `lab up` is asked for.

    Where an option is left out, a lab that is there keeps what it has. A new one gets the program
    this machine has (SeaweedFS before MinIO), three regions and one server for each.
    `start_seconds_max` bounds the wait for all servers together.
    """

    folder: Path
    server: str | None = None
    regions: tuple[str, ...] = ()
    servers_per_region: int | None = None
    start_seconds_max: float = 120.0


def plan_servers(
    options: LabOptions, program: ServerProgram, previous: LabState | None
) -> tuple[LabServer, ...]:
    """The servers of the lab after `up`: those it has, unchanged, then those it lacks.

    Raises `Conflict` (`LabDiffers`) where the lab has a region with another number of servers, and
    `Invalid` (`LabTooLarge`).
    """
    if options.servers_per_region is not None and options.servers_per_region < 1:
        raise Invalid(
            f"a region has at least 1 server, {options.servers_per_region} were asked for",
            code="LabTooSmall",
        )
    planned = list(previous.servers) if previous else []
    taken = {port for server in planned for port in server.ports.values()}
    wanted = options.regions or (() if previous else DEFAULT_REGIONS)
    for display_name in wanted:
        region = normal_region_name(display_name)
        present = [server for server in planned if server.region == region]
        if present:
            _same_number(options, region, len(present))
            continue
        for number in range(options.servers_per_region or 1):
            ports = free_ports(len(program.port_names), avoid=taken)
            taken.update(ports)
            planned.append(
                LabServer(
                    region=region,
                    display_name=_display_name(display_name, region),
                    number=number,
                    bucket=_bucket_name(region),
                    ports=dict(zip(program.port_names, ports, strict=True)),
                    folder=options.folder / server_name(region, number),
                )
            )
    _few_enough(planned)
    return tuple(planned)


def _same_number(options: LabOptions, region: str, present: int) -> None:
    """Replica k stands on server k modulo N: another N would look for it on the wrong server."""
    if options.servers_per_region not in (None, present):
        raise Conflict(
            f"{region} has {present} servers in this lab, {options.servers_per_region} were asked "
            "for, and that cannot change while replicas stand on them",
            code="LabDiffers",
            target=region,
            hint="`imgrepl lab down --delete` first, or name another folder with --dir",
        )


def _few_enough(planned: list[LabServer]) -> None:
    if len(planned) > SERVERS_MAX:
        raise Invalid(
            f"a lab has at most {SERVERS_MAX} servers, {len(planned)} were asked for",
            code="LabTooLarge",
            hint="fewer regions, a smaller --servers-per-region, or a second lab in another --dir",
        )


def _display_name(text: str, region: str) -> str:
    """What was typed, unless it was a region's plain name and we know how people write it."""
    if text != region:
        return text
    known = {normal_region_name(name): name for name in DEFAULT_REGIONS}
    return known.get(region, text)


def _bucket_name(region: str) -> str:
    return f"imgrepl-{region}"[:_BUCKET_NAME_LENGTH_MAX].rstrip("-")
