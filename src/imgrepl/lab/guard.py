"""Starts one server and stays beside it until its starter keeps it, or is gone.

Run as a script, by path, with the standard library alone: `guard.py LOG COMMAND…`. It says what
became of the start in one line of JSON on stdout, `{"pid": N}` or `{"error": TEXT}`, then waits on
stdin: one byte `k` means that the starter has the server on record, and the guard leaves it
running; the end of the stream without it means that the starter died or gave up, and the guard
ends the server. So no crash of the starter, not even a kill, leaves a server that nobody knows of.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

KEEP = b"k"


def main(log: Path, command: list[str]) -> int:
    """The exit status: 0 when the server was kept, 1 when it was not."""
    try:
        server = _start(log, command)
    except OSError as error:
        _say({"error": str(error)})
        return 1
    _say({"pid": server.pid})
    if sys.stdin.buffer.read(1) == KEEP:
        # Past the interpreter's shutdown, which would warn of a child that nobody waited for.
        os._exit(0)
    server.kill()
    server.wait()
    return 1


def _start(log: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """Starts the server in a session of its own: no terminal, no Ctrl-C of its starter."""
    with log.open("ab") as lines:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
        )


def _say(fact: dict[str, object]) -> None:
    try:
        sys.stdout.write(json.dumps(fact) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        """The starter is gone already; the end of stdin says so next."""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
