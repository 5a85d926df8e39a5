"""Local regions: start them, end them, say how they are."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from imgrepl.clock import Clock
from imgrepl.errors import Conflict, Unavailable
from imgrepl.lab import process, s3, state
from imgrepl.lab.files import locked
from imgrepl.lab.keys import Keys, credentials_file, make_keys, read_keys
from imgrepl.lab.plan import LabOptions, plan_servers
from imgrepl.lab.ports import free_ports, is_free
from imgrepl.lab.program import ServerProgram
from imgrepl.lab.programs import binary_of, choose, program_of
from imgrepl.lab.servers import Crew, last_log_lines
from imgrepl.lab.state import LabServer, LabState
from imgrepl.model.events import EventSink, Notice


class Condition(StrEnum):
    """How a server of a lab is."""

    RUNNING = "running"
    SILENT = "not answering"
    ENDED = "ended"
    DIED = "died"


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """One server as it is now.

    `program` and `version` are what serves; `pid` is None unless its process runs; `log_lines` is
    the end of the log of one that died.
    """

    server: LabServer
    condition: Condition
    program: str = ""
    version: str = ""
    pid: int | None = None
    log_lines: tuple[str, ...] = ()


def up(
    options: LabOptions, *, events: EventSink, clock: Clock, environment: Mapping[str, str]
) -> LabState:
    """Starts what does not run of a lab, and returns when every server can be used.

    Servers that run are kept as they are; one that died gets its old data and, unless another
    program took them, its old ports. The servers outlive this process. If `up` fails, is
    interrupted or killed, whatever it started ends, and the lab's file names every server that
    runs. Raises `Conflict` (`LabBusy`, `LabDiffers`), `NotFound` (`NoServerProgram`), `Unavailable`
    (`ServerDied`, `ServerNotReady`, `NoFreePorts`).
    """
    options = replace(options, folder=options.folder.absolute())
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(options.folder):
        previous = _load_if_there(options.folder)
        program = _program(options, previous, environment, events)
        servers = plan_servers(options, program, previous)
        ended = [server for server in servers if not _runs(server)]
        if previous and not ended:
            _warn_of_silent(servers, read_keys(options.folder), events)
            return previous
        binary = binary_of(program, environment)
        lab = LabState(
            folder=options.folder,
            program=program.kind,
            version=program.version(binary),
            servers=_with_free_ports(servers, ended),
        )
        keys = make_keys(lab.folder)
        state.save(lab)
        events(Notice(level="info", text=f"starting {program.title} {lab.version}: {binary}"))
        crew = Crew(program, binary, keys, events=events, clock=clock)
        return _start(lab, crew, {server.name for server in ended}, options.start_seconds_max)


def down(folder: Path, *, delete: bool, events: EventSink, clock: Clock) -> tuple[LabServer, ...]:
    """Ends the lab's servers and gives those that ran; with `delete` removes all that is the lab's.

    Where there is no lab there is nothing to do. A process that is not the one that was started is
    never touched, whatever its number. Raises `Unavailable` (`ServerDoesNotEnd`), and then
    deletes nothing.
    """
    folder = folder.absolute()
    if not state.lab_file(folder).exists():
        events(Notice(level="info", text=f"there is no lab in {folder}: nothing to end"))
        return ()
    with locked(folder):
        lab = state.load(folder)
        running = tuple(server for server in lab.servers if _runs(server))
        _end(lab, running, clock)
        for server in running:
            events(Notice(level="info", text=f"{server.name} ended", subject=server.region))
        if delete:
            _delete(lab)
            events(Notice(level="info", text=f"the data of the lab in {folder} was removed"))
        return running


def status(folder: Path) -> tuple[ServerStatus, ...]:
    """Every server of the lab in `folder`: asks those that run, reads the log of the dead.

    Raises `NotFound` (`LabNotFound`).
    """
    lab = state.load(folder.absolute())
    keys = read_keys(lab.folder)
    return tuple(
        replace(_status_of(server, keys), program=lab.program, version=lab.version)
        for server in lab.servers
    )


def _load_if_there(folder: Path) -> LabState | None:
    return state.load(folder) if state.lab_file(folder).exists() else None


def _program(
    options: LabOptions,
    previous: LabState | None,
    environment: Mapping[str, str],
    events: EventSink,
) -> ServerProgram:
    if previous is None:
        return program_of(options.server) if options.server else choose(environment, events)
    if options.server not in (None, previous.program):
        raise Conflict(
            f"the lab in {options.folder} keeps its data with {previous.program}, "
            f"{options.server} cannot read it",
            code="LabDiffers",
            target=str(options.folder),
            hint="`imgrepl lab down --delete` first, or name another folder with --dir",
        )
    return program_of(previous.program)


def _runs(server: LabServer) -> bool:
    mark = server.read_mark()
    return mark is not None and process.is_running(mark)


def _warn_of_silent(servers: Iterable[LabServer], keys: Keys, events: EventSink) -> None:
    for server in servers:
        if not s3.answers(server, keys):
            text = f"{server.name} runs but does not answer; its log is {server.log_file}"
            events(Notice(level="warning", text=text, subject=server.region))


def _with_free_ports(
    servers: tuple[LabServer, ...], ended: list[LabServer]
) -> tuple[LabServer, ...]:
    """The same servers; of those that must start, each port that was taken meanwhile is another."""
    taken = {port for server in servers for port in server.ports.values()}
    changed: list[LabServer] = []
    for server in servers:
        ports = dict(server.ports)
        if server in ended:
            lost = [name for name, port in ports.items() if not is_free(port)]
            found = free_ports(len(lost), avoid=taken) if lost else ()
            ports.update(zip(lost, found, strict=True))
            taken.update(found)
        changed.append(replace(server, ports=ports))
    return tuple(changed)


def _start(lab: LabState, crew: Crew, names: set[str], seconds_max: float) -> LabState:
    """Starts the servers of these names, all or none."""
    try:
        crew.start(server for server in lab.servers if server.name in names)
        crew.wait_until_ready(seconds_max=seconds_max)
        started = {server.name: server for server in crew.servers}
        lab = replace(
            lab, servers=tuple(started.get(server.name, server) for server in lab.servers)
        )
        state.save(lab)
        crew.keep()
    except BaseException:
        crew.abandon()
        raise
    return lab


def _end(lab: LabState, running: tuple[LabServer, ...], clock: Clock) -> None:
    program = program_of(lab.program)
    marks = [mark for server in running if (mark := server.read_mark()) is not None]
    if left := process.end(marks, clock=clock, grace_seconds=program.grace_seconds):
        raise Unavailable(
            f"processes {', '.join(str(mark.pid) for mark in left)} do not end, not even killed",
            code="ServerDoesNotEnd",
            target=str(lab.folder),
            hint="they hang in the kernel, often on a disk that is gone: `dmesg` may say why",
        )
    for server in lab.servers:
        server.mark_file.unlink(missing_ok=True)
        for path in program.leftovers(server):
            path.unlink(missing_ok=True)


def _delete(lab: LabState) -> None:
    """Removes what is the lab's and nothing else; and the lab's file last, for a second try."""
    for path in (*(server.folder for server in lab.servers), state.scratch_folder(lab.folder)):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)
    credentials_file(lab.folder).unlink(missing_ok=True)
    state.lab_file(lab.folder).unlink()
    with contextlib.suppress(OSError):
        lab.folder.rmdir()


def _status_of(server: LabServer, keys: Keys) -> ServerStatus:
    mark = server.read_mark()
    if mark is None:
        return ServerStatus(server=server, condition=Condition.ENDED)
    if not process.is_running(mark):
        return ServerStatus(
            server=server, condition=Condition.DIED, log_lines=last_log_lines(server)
        )
    condition = Condition.RUNNING if s3.answers(server, keys) else Condition.SILENT
    return ServerStatus(server=server, condition=condition, pid=mark.pid)
