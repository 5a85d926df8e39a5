"""A private PostgreSQL for the tests, where the machine has its binaries."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """The newest installed server's binaries, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def server() -> Iterator[str]:
    """Runs a server on a free port of 127.0.0.1 and gives the URL of it, without a database."""
    programs = binaries()
    assert programs is not None
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    home = Path(tempfile.mkdtemp(prefix="imgrepl-pg-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        shutil.chown(home, user)
        data = home / "data"
        make: list[str | Path] = [programs / "initdb", "-D", data, "-U", user]
        make += ["-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run(make, user=user, cwd="/", check=True, capture_output=True)
        serve: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port), "-F"]
        serve += ["-h", "127.0.0.1", "-k", home, "-c", "timezone=Asia/Kolkata"]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(serve, user=user, cwd="/", stdout=log, stderr=log)
        try:
            _wait_until_ready(programs, port)
            yield f"postgresql+psycopg://{user}@127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(programs: Path, port: int) -> None:
    ask: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    give_up_at = time.monotonic() + 60
    while subprocess.run(ask, check=False).returncode != 0:
        assert time.monotonic() < give_up_at, "PostgreSQL does not answer"
        time.sleep(0.05)
