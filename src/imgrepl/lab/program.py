"""What a lab asks of a server program."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imgrepl.lab.keys import Keys
from imgrepl.lab.state import LabServer


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a server is started: its argument list and its whole environment.

    Nothing of the caller's environment: `WEED_…` and `MINIO_…` variables, and what lies in the
    home folder, would change how the server is set up.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class ServerProgram(Protocol):
    """A program that serves S3 from a folder of this machine.

    `kind` is the word for it in `--server` and in the lab's file, `title` its name for people.
    `grace_seconds` is how long it gets to end by itself before it is killed, without which no
    acknowledged write is lost.
    """

    kind: str
    title: str
    port_names: tuple[str, ...]
    grace_seconds: float

    def find(self, environment: Mapping[str, str]) -> Path | None:
        """The program on this machine, or None where it is not installed."""

    def absence(self) -> str:
        """Why there is none and what to do about it, in one sentence."""

    def version(self, binary: Path) -> str:
        """What the program says its version is."""

    def prepare(self, binary: Path, server: LabServer, keys: Keys) -> Command:
        """Writes what the program needs into the server's folder.

        Keys go into files or the environment, never into arguments, which everybody can read.
        """

    def make_ready(self, server: LabServer, keys: Keys) -> str | None:
        """Asks a server that was just started to do real work, and makes its bucket.

        None once the server can be used; until then, why not. Waits a few seconds at most and may
        be called again and again.
        """

    def warnings(self, server: LabServer, keys: Keys) -> tuple[str, ...]:
        """What a person should know about a server that is ready."""

    def leftovers(self, server: LabServer) -> tuple[Path, ...]:
        """Files outside the server's folder that an ended server may have left behind."""
