"""`imgrepl lab`: real S3 servers on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import noun
from imgrepl.cli.options import choice, option, options
from imgrepl.cli.run import Injected, Run
from imgrepl.clock import SystemClock

if TYPE_CHECKING:
    from imgrepl.lab.lab import ServerStatus
    from imgrepl.lab.plan import LabOptions
    from imgrepl.lab.state import LabServer

app = noun("lab")

COLUMNS = {
    "Region": "region",
    "Server": "server",
    "State": "state",
    "Program": "program && join(' ', [program, version])",
    "Endpoint": "endpointUrl",
    "Bucket": "bucket",
    "PID": "pid",
}

Folder = Annotated[
    Path | None,
    option("--dir", text="The lab's folder; in the state directory if absent.", metavar="DIR"),
]


def _folder(run: Run, folder: Path | None) -> Path:
    return folder or run.settings.state_dir / "lab"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpOptions:
    """Which servers a lab is to have; what is not named, a lab that is there keeps."""

    server: Annotated[
        str | None, choice("--server", text="What serves the buckets.", of=("seaweedfs", "minio"))
    ] = None
    regions: Annotated[
        tuple[str, ...], options("--regions", text="Regions to serve.", metavar="REGION")
    ] = ()
    servers_per_region: Annotated[
        int | None,
        option("--servers-per-region", text="Servers that share a region's replicas.", metavar="N"),
    ] = None

    def request(self, folder: Path) -> "LabOptions":
        """What these options ask for, of the lab in `folder`."""
        from imgrepl.lab.plan import LabOptions

        return LabOptions(
            folder=folder,
            server=self.server,
            regions=self.regions,
            servers_per_region=self.servers_per_region,
        )


@app.command
def up(
    *,
    options: UpOptions | None = None,
    folder: Folder = None,
    run: Injected,
) -> Answer:
    """Start S3 servers, one or more a region, and register the regions in the index.

    The servers are left running. Those that run already are kept, those that died get their old
    data and ports.

    For example:

        imgrepl lab up --server seaweedfs --regions eastus westeurope --dir ./lab

    Exit codes: 0 all answer; 3 no server program is installed; 4 the lab has other servers; 7 a
    server did not start; 130 interrupted, nothing is left running.
    """
    from imgrepl.actions import regions as registry
    from imgrepl.lab import lab

    asked = (options or UpOptions()).request(_folder(run, folder))
    with run.events() as events:
        state = lab.up(asked, events=events, clock=SystemClock(), environment=run.settings.environ)
    with run.open() as ctx:
        registry.register(ctx, state.regions)
    return Answer([_status(entry) for entry in lab.status(state.folder)], COLUMNS)


@app.command
def down(
    *,
    delete: Annotated[bool, option("--delete", text="Also remove all that is the lab's.")] = False,
    folder: Folder = None,
    run: Injected,
) -> Answer:
    """End the lab's servers. Their data stays, unless --delete is given.

    With --delete the index forgets the lab's regions as well, and what stood in them alone.

    For example:

        imgrepl lab down --delete

    Exit codes: 0 none runs any more; 4 the lab is being changed, or a version stands in its
    regions and elsewhere; 7 a server does not end.
    """
    from imgrepl.lab import lab

    where = _folder(run, folder)
    names = _regions_of(where) if delete else set()
    if names:
        _ask_index(run, names)
    with run.events() as events:
        ended = lab.down(where, delete=delete, events=events, clock=SystemClock())
    if names:
        _forget_in_index(run, names)
    return Answer([_server(server) | {"state": "ended"} for server in ended], COLUMNS)


@app.command
def status(*, folder: Folder = None, run: Injected) -> Answer:
    """Show every server of the lab, and the end of the log of those that died.

    For example:

        imgrepl lab status -o table

    Exit codes: 0 shown; 3 there is no lab.
    """
    from imgrepl.lab import lab

    return Answer([_status(entry) for entry in lab.status(_folder(run, folder))], COLUMNS)


def _status(entry: "ServerStatus") -> dict[str, object]:
    log = list(entry.log_lines)
    return _server(entry.server) | {
        "state": entry.condition,
        "program": entry.program,
        "version": entry.version,
        "pid": entry.pid,
        "logLines": log,
    }


def _server(server: "LabServer") -> dict[str, object]:
    return {
        "region": server.region,
        "server": server.name,
        "endpointUrl": server.endpoint_url,
        "bucket": server.bucket,
        "folder": server.folder,
    }


def _regions_of(folder: Path) -> set[str]:
    from imgrepl.lab import state

    if not state.lab_file(folder.absolute()).exists():
        return set()
    return {server.region for server in state.load(folder.absolute()).servers}


def _ask_index(run: Run, names: set[str]) -> None:
    """Before a server is ended: raises `Conflict` where the index could not forget these."""
    from imgrepl.actions import abandoning

    with run.open() as ctx:
        abandoning.check_abandonable(ctx, names)


def _forget_in_index(run: Run, names: set[str]) -> None:
    from imgrepl.actions import abandoning

    with run.open() as ctx:
        abandoning.abandon(ctx, names)
