"""Processes that really die: `kill -9` at a named point of a real command, on real servers.

    with Mortals(environment) as mortals:
        fate = mortals.run(["collect", "--yes"], die_at=DieAt("after put packs", 2))
        assert fate.killed

A point is a request to a store (`before put packs`, `after delete packs`) or a transaction of the
index (`before commit sealer._claim`): its name says what and whose, and all processes count how
often they pass it. Production code knows nothing of this: a process that is to die wraps the stores
and the index when it starts, and only `Mortals` starts such processes. They are forked from one
that has loaded the program, so that a thousand deaths are affordable.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

KILLED = -9


class DieAt(NamedTuple):
    """The point at which a process dies, when it passes it for the `occurrence`th time."""

    name: str
    occurrence: int = 1


class Sent(NamedTuple):
    """A pack whose bytes a process began to send: where to, under which key, how long it is."""

    url: str
    key: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one command.

    `points` are all that it passed, in order; `sent` are the packs that it put, those included that
    were on their way when it died.
    """

    status: int
    out: str
    stderr: str
    seconds: float
    points: tuple[str, ...]
    sent: tuple[Sent, ...]

    @property
    def killed(self) -> bool:
        """Whether it was killed, at its point or at a moment."""
        return self.status == KILLED

    @property
    def error_code(self) -> str | None:
        """The code of the error that it ended with."""
        last = self.stderr.splitlines()[-1] if self.stderr else ""
        return json.loads(last)["error"]["code"] if last.startswith('{"error"') else None


class Mortals:
    """Runs commands in processes that can be made to die. One at a time; not thread-safe."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, pack_bytes_target: int
    ) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "points"
        command = [sys.executable, "-m", "imgrepl.testing.mortal", str(folder)]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, str(pack_bytes_target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def run(
        self,
        words: Sequence[str],
        *,
        die_at: DieAt | None = None,
        die_after_seconds: float | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Fate:
        """Runs one command to its end, or to its death."""
        self._log.unlink(missing_ok=True)
        request = {
            "words": list(words),
            "dieAt": die_at,
            "dieAfterSeconds": die_after_seconds,
            "variables": dict(variables or {}),
        }
        answer = self._ask(request)
        points, sent = _read_log(self._log)
        return Fate(
            status=answer["status"],
            out=(self._folder / "out").read_text(errors="replace"),
            stderr=(self._folder / "err").read_text(errors="replace"),
            seconds=answer["seconds"],
            points=tuple(points),
            sent=tuple(sent),
        )

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks others has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _read_log(path: Path) -> tuple[list[str], list[Sent]]:
    points: list[str] = []
    sent: list[Sent] = []
    if path.exists():
        for line in path.read_text().splitlines():
            what, _, rest = line.partition("\t")
            if what == "sent":
                url, key, size = rest.split("\t")
                sent.append(Sent(url, key, int(size)))
            else:
                points.append(rest)
    return points, sent
