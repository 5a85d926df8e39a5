"""The command line as a user has it: processes of their own, with a home that is the test's."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from imgrepl.cli.app import main
from imgrepl.clock import SystemClock
from imgrepl.gallery import regions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.region import Endpoint, Region
from servers import ACCESS_KEY_ID, PROJECT, SECRET_ACCESS_KEY, S3Server

SECONDS_MAX = 150
"""How long a command may take on a loaded machine before its test says that it hangs."""

DEFINITION = ("-r", "golden", "-i", "debian")
VERSION = (*DEFINITION, "-e", "1.0.0")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Ran:
    """What a command came to: `out` is its result, `error` what the last line of stderr says."""

    status: int
    out: Any
    error: Mapping[str, Any]
    stderr: str


def told(status: int, out: str, stderr: str) -> Ran:
    """What a command with `-o json` came to, by all that it said."""
    assert "Traceback" not in stderr, stderr
    last = stderr.splitlines()[-1] if status and stderr else "{}"
    error = json.loads(last).get("error", {}) if last.startswith("{") else {}
    return Ran(status, json.loads(out) if out else None, error, stderr)


@dataclass
class Cli:
    """Runs `imgrepl` with an index, state and cache of its own below `home`.

    `through` is a command that runs it in its turn, with other rights for example.
    """

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    through: tuple[str, ...] = ()

    @property
    def index(self) -> Path:
        return self.home / "index.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        own = {
            "HOME": str(self.home),
            "IMGREPL_INDEX": f"sqlite:///{self.index}",
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PYTHONPATH": str(PROJECT / "src"),
            "TEST_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "TEST_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return inherited | own | self.variables

    def start(self, *words: object, **variables: str) -> "subprocess.Popen[str]":
        """The process of a command, in a group of its own."""
        return subprocess.Popen(
            [*self.through, sys.executable, "-m", "imgrepl", *map(str, words), "-o", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | variables,
            start_new_session=True,
        )

    def __call__(self, *words: object, **variables: str) -> Ran:
        return self.ended(self.start(*words, **variables))

    def ended(self, process: "subprocess.Popen[str]") -> Ran:
        """What a process came to; one that hangs is killed and fails the test."""
        try:
            out, stderr = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, stderr = process.communicate()
            raise AssertionError(f"{process.args!r} hangs:\n{stderr[-2000:]}") from None
        return told(process.returncode, out, stderr)

    def done(self, *words: object, **variables: str) -> Any:
        """The result of a command that must succeed."""
        ran = self(*words, **variables)
        assert ran.status == 0, ran.stderr
        return ran.out

    def add_region(self, name: str, server: S3Server | None = None, url: str | None = None) -> None:
        """Registers an empty place that nobody else has: on `server`, or else a directory.

        Without a process of its own, as all tests need it and some test the command itself.
        """
        at = (
            server.new_endpoint()
            if server
            else Endpoint(url=(self.home / "regions" / name).as_uri())
        )
        at = replace(at, url=url or at.url)
        index = GalleryIndex.open(f"sqlite:///{self.index}", clock=SystemClock())
        try:
            with index.begin() as tx:
                regions.add(tx, Region(name=name, display_name=name, standard=(at,)))
        finally:
            index.close()

    def create(self, image: Path | str, *words: object) -> tuple[object, ...]:
        """The words that publish `image` as version 1.0.0 and make what it lacks."""
        base = ("image-version", "create", *VERSION, "--os-disk", image, "--create-parents")
        return (*base, *words)

    def download(self, version: str, target: Path, *words: object) -> Path:
        """The disk of a version, downloaded to `target`."""
        base = ("image-version", "download", *DEFINITION, "-e", version, "--format", "raw")
        self.done(*base, "--file", target, *words)
        return target

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Looks into the index, behind the program's back."""
        engine = sa.create_engine(f"sqlite:///{self.index}")
        try:
            with engine.connect() as tx:
                return [tuple(row) for row in tx.execute(sa.text(query))]
        finally:
            engine.dispose()


class SameProcess(Cli):
    """The same command line in this process: most of what a command costs is Python's start."""

    def __call__(self, *words: object, **variables: str) -> Ran:
        out, stderr = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment | variables, clear=True),
            redirect_stdout(out),
            redirect_stderr(stderr),
        ):
            status = main([*map(str, words), "-o", "json"])
        return told(status, out.getvalue(), stderr.getvalue())


def assert_refused(ran: Ran, status: int, code: str) -> None:
    """The command ended with this status and said why: code, message and a way out."""
    assert ran.status == status, ran.stderr
    assert set(ran.error) == {"code", "message", "target", "details", "hint"}, ran.stderr
    assert ran.error["code"] == code, ran.error
    assert ran.error["message"], ran.error
    assert ran.error["hint"], f"no way out of {ran.error}"


def assert_nothing_left(cli: Cli) -> None:
    """No version, half or whole, nobody at work on one, and no file of ours in the making."""
    if cli.index.exists():
        assert cli.rows("SELECT count(*) FROM versions") == [(0,)]
        assert cli.rows("SELECT count(*) FROM pins") == [(0,)]
        assert cli.rows("SELECT state FROM operations WHERE ended_at IS NULL") == []
    parts = [path for path in cli.home.rglob("*") if "imgrepl-part" in path.name and path.is_file()]
    assert parts == [], parts
