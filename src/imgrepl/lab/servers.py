"""Servers that start together, and are kept together or not at all."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgrepl.clock import Clock
from imgrepl.errors import Unavailable
from imgrepl.lab import guard
from imgrepl.lab.keys import Keys
from imgrepl.lab.ports import free_ports, is_free
from imgrepl.lab.process import ProcessMark, end, is_running, mark_of
from imgrepl.lab.program import Command, ServerProgram
from imgrepl.lab.state import LabServer
from imgrepl.model.events import EventSink, Notice

_POLL_SECONDS = 0.2
_REPORT_SECONDS = 5.0
_PORT_CHANGES_MAX = 3
_LOG_LINES_SHOWN = 5
_LOG_BYTES_READ = 16_384


class StartedServer:
    """A running server that its guard ends unless it is kept, also when this process is killed.

    Raises `Unavailable` (`ServerDied`) where the program cannot even be started.
    """

    def __init__(self, server: LabServer, command: Command) -> None:
        self.server = server
        self._guard = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, str(server.log_file), *command.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=server.folder,
            env=dict(command.environment),
            start_new_session=True,
        )
        try:
            self.mark = self._read_mark()
        except BaseException:
            self.abandon()
            raise

    def keep(self) -> None:
        """Puts the server on record and lets it run on without guard."""
        self.server.write_mark(self.mark)
        self._leave(guard.KEEP)

    def abandon(self) -> None:
        """Ends the server, unless it was kept before. Returns when it is gone."""
        self._leave(b"")

    def _leave(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._guard.communicate(word)

    def _read_mark(self) -> ProcessMark:
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        fact: dict[str, Any] = (
            json.loads(line) if line else {"error": "its guard ended without a word"}
        )
        if "error" in fact:
            raise _died(self.server, fact["error"])
        mark = mark_of(fact["pid"])
        if mark is None:
            raise _died(self.server, "it ended at once")
        return mark


class Crew:
    """Servers that are starting, until all of them can be used."""

    def __init__(
        self, program: ServerProgram, binary: Path, keys: Keys, *, events: EventSink, clock: Clock
    ) -> None:
        self._program = program
        self._binary = binary
        self._keys = keys
        self._events = events
        self._clock = clock
        self._started: dict[str, StartedServer] = {}
        self._port_changes = 0

    @property
    def servers(self) -> tuple[LabServer, ...]:
        """The servers as they are now: a lost race for a port may have changed one."""
        return tuple(started.server for started in self._started.values())

    def start(self, servers: Iterable[LabServer]) -> None:
        for server in servers:
            command = self._program.prepare(self._binary, server, self._keys)
            self._started[server.name] = StartedServer(server, command)

    def wait_until_ready(self, *, seconds_max: float) -> None:
        """Returns when every server has done real work and has its bucket.

        Raises `Unavailable`: `ServerDied` with the end of its log, or `ServerNotReady` with what it
        answered last.
        """
        begun = reported = self._clock.monotonic()
        reasons = dict.fromkeys(self._started, "not asked yet")
        while reasons:
            for name in list(reasons):
                self._restart_if_its_port_was_taken(name)
                reason = self._program.make_ready(self._started[name].server, self._keys)
                if reason is not None:
                    reasons[name] = reason
                    continue
                del reasons[name]
                self._tell_ready(self._started[name], self._clock.monotonic() - begun)
            now = self._clock.monotonic()
            if reasons and now - begun > seconds_max:
                raise _not_ready(reasons, seconds_max)
            if reasons and now - reported > _REPORT_SECONDS:
                reported = now
                waiting = ", ".join(reasons)
                self._notice(f"waiting for {waiting} ({now - begun:.0f} s)")
            if reasons:
                self._clock.sleep(_POLL_SECONDS)

    def keep(self) -> None:
        """Lets all of them run on when this process ends."""
        for started in self._started.values():
            started.keep()

    def abandon(self) -> None:
        """Ends all of them, at once: nobody has used them yet."""
        for started in self._started.values():
            started.abandon()
        marks = [started.mark for started in self._started.values()]
        end(marks, clock=self._clock, grace_seconds=0)

    def _restart_if_its_port_was_taken(self, name: str) -> None:
        """Another program may take a port between the look for it and the start of the server."""
        started = self._started[name]
        if is_running(started.mark):
            return
        started.abandon()
        ports = started.server.ports
        lost = [port for port in ports.values() if not is_free(port)]
        if not lost or self._port_changes == _PORT_CHANGES_MAX:
            raise _died(started.server, "it ended before it answered")
        self._port_changes += 1
        self._notice(f"port {lost[0]} was taken meanwhile: others are used", subject=name)
        others = {port for server in self.servers for port in server.ports.values()}
        found = free_ports(len(ports), avoid=others)
        self.start([replace(started.server, ports=dict(zip(ports, found, strict=True)))])

    def _tell_ready(self, started: StartedServer, seconds: float) -> None:
        server = started.server
        self._notice(
            f"{server.name}: {self._program.title} {server.endpoint_url} answers after "
            f"{seconds:.1f} s (process {started.mark.pid})",
            subject=server.region,
        )
        for text in self._program.warnings(server, self._keys):
            self._events(Notice(level="warning", text=text, subject=server.region))

    def _notice(self, text: str, subject: str = "") -> None:
        self._events(Notice(level="info", text=text, subject=subject))


def last_log_lines(server: LabServer) -> tuple[str, ...]:
    """The end of the server's log, for a person to see why it died."""
    try:
        with server.log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _LOG_BYTES_READ))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(lines[-_LOG_LINES_SHOWN:])


def _died(server: LabServer, reason: str) -> Unavailable:
    return Unavailable(
        f"the server {server.name} did not start: {reason}",
        code="ServerDied",
        target=server.name,
        details=last_log_lines(server),
        hint=f"its log is {server.log_file}",
    )


def _not_ready(reasons: dict[str, str], seconds_max: float) -> Unavailable:
    names = ", ".join(reasons)
    return Unavailable(
        f"after {seconds_max:.0f} s these servers cannot be used yet: {names}; all were ended",
        code="ServerNotReady",
        target=names,
        details=[f"{name}: {reason}" for name, reason in reasons.items()],
        hint="a busy machine may need longer: try again, or with fewer regions",
    )
