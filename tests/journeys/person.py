"""A person at the command line: runs `imgrepl` in processes of its own and reads what it says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS_MAX = 240


@dataclass(frozen=True, kw_only=True)
class Said:
    """How one command ended. `error` is the last line of stderr where that is an error's JSON."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stderr.strip().splitlines()[-1])["error"]
        return found


@dataclass(frozen=True)
class Person:
    """One index, state and cache; `home` holds all of it."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if "IMGREPL" not in name}
        return {
            **inherited,
            "IMGREPL_INDEX": f"sqlite:///{self.home / 'index.sqlite3'}",
            "IMGREPL_STATE_DIR": str(self.home / "state"),
            "IMGREPL_CACHE_DIR": str(self.home / "cache"),
            **self.variables,
        }

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """A command that goes on by itself."""
        return subprocess.Popen(
            [sys.executable, "-m", "imgrepl", *map(str, words), "-o", "json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def says(self, *words: object) -> Said:
        """A command, to its end."""
        return ended(self.start(*words))

    def does(self, *words: object) -> Any:
        """A command that must succeed; gives its JSON."""
        said = self.says(*words)
        assert said.exit_status == 0, said
        return said.json if said.stdout.strip() else None

    def is_refused(self, exit_status: int, code: str, *words: object) -> dict[str, Any]:
        """A command that must fail with this status and code; gives its error."""
        said = self.says(*words)
        assert (said.exit_status, said.error["code"]) == (exit_status, code), said
        assert said.stdout.strip() == "", "stdout carries results only"
        return said.error

    def publishes(self, version: str, disk: Path, *targets: str, **options: str) -> Any:
        """`image-version create` of `demo/web`, the first target being the home region."""
        return self.does(*self.create(version, disk, *targets, **options))

    def create(self, version: str, disk: Path, *targets: str, **options: str) -> list[str]:
        """The words of `image-version create`."""
        home = targets[0].split("=")[0]
        more = [word for name, text in options.items() for word in (f"--{name}", text) if word]
        words = ["image-version", "create", "-r", "demo", "-i", "web", "-e", version]
        words += ["--os-disk", str(disk), "--create-parents", "-l", home]
        return [*words, "--target-regions", *targets, *more]

    def downloads(self, version: str, file: Path, *words: str) -> Any:
        """`image-version download` as a raw disk."""
        named = ["-r", "demo", "-i", "web", "-e", version, "--file", str(file), "--overwrite"]
        return self.does("image-version", "download", *named, *words)

    def version(self, command: str, version: str, *words: str) -> Said:
        """Any other command on a version of `demo/web`."""
        return self.says("image-version", command, "-r", "demo", "-i", "web", "-e", version, *words)

    def versions(self) -> list[str]:
        """The names of what `demo/web` shows; none while there is no such gallery."""
        said = self.says("image-version", "list", "-r", "demo", "-i", "web")
        return [entry["name"] for entry in said.json] if said.exit_status == 0 else []


def ended(process: "subprocess.Popen[str]") -> Said:
    """Waits for a command."""
    try:
        stdout, stderr = process.communicate(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Said(exit_status=process.returncode, stdout=stdout, stderr=stderr)
