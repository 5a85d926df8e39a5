"""`python -m imgrepl.testing.mortal FOLDER PACK_BYTES`: forks commands that die where told.

Reads one request a line and answers each with a line; `imgrepl.testing.killing` is the other end.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection

from imgrepl.assembly import bounds, wiring
from imgrepl.cli.app import main
from imgrepl.clock import SystemClock
from imgrepl.engine.options import EngineOptions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.settings import Settings
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.s3 import S3Store

Json = dict[str, Any]
_POLL_SECONDS = 0.001
_VERBS = ("put", "get", "head", "delete", "copy_from")
_HERE = (__file__, "contextlib", "database.py")


class Points:
    """Counts the points that this process passes, logs them, and dies at one of them."""

    def __init__(self, log: Path, die_at: Sequence[Any] | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._die_at = None if die_at is None else (die_at[0], int(die_at[1]))
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        """One more time; does not return where the process dies here."""
        with self._lock:
            self._passed[name] += 1
            os.write(self._log, f"point\t{name}\n".encode())
            if self._die_at == (name, self._passed[name]):
                os.kill(os.getpid(), signal.SIGKILL)

    def sending(self, url: str, key: str, size_bytes: int) -> None:
        """The bytes of a pack are about to leave."""
        os.write(self._log, f"sent\t{url}\t{key}\t{size_bytes}\n".encode())


def install(points: Points, pack_bytes_target: int) -> None:
    """Wraps the stores and the index of this process, and makes its packs small."""
    for kind in (S3Store, DirectoryStore):
        for verb in _VERBS:
            setattr(kind, verb, _wrapped(getattr(kind, verb), verb, points))
    _wrap_transactions(points)
    whole = bounds.engine_options

    def smaller(settings: Settings) -> EngineOptions:
        return replace(whole(settings), pack_bytes_target=pack_bytes_target)

    wiring.engine_options = smaller  # type: ignore[attr-defined]


def _wrapped(method: Callable[..., Any], verb: str, points: Points) -> Callable[..., Any]:
    def act(self: Any, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - as the method
        key = words[-1] if verb == "copy_from" else words[0]
        what = f"{verb} {_kind(key)}"
        points.passed(f"before {what}")
        if verb == "put" and _kind(key) == "packs":
            points.sending(self.url, key, len(words[1]))
        answer = method(self, *words, **options)
        points.passed(f"after {what}")
        return answer

    return act


def _kind(key: str | Sequence[str]) -> str:
    first = key if isinstance(key, str) else (key[0] if key else "")
    return first.partition("/")[0]


def _wrap_transactions(points: Points) -> None:
    begin = GalleryIndex.begin

    @contextmanager
    def mortal(self: GalleryIndex) -> Iterator[Connection]:
        whose = _caller(sys._getframe(1))
        with begin(self) as tx:
            yield tx
            points.passed(f"before commit {whose}")
        points.passed(f"after commit {whose}")

    GalleryIndex.begin = mortal  # type: ignore[method-assign]


def _caller(frame: FrameType | None) -> str:
    """The function that opened a transaction: `sealer._claim`."""
    while frame is not None and any(part in frame.f_code.co_filename for part in _HERE):
        frame = frame.f_back
    if frame is None:
        return "nobody"
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


def _serve(folder: Path, pack_bytes_target: int) -> None:
    clock = SystemClock()
    for line in sys.stdin:
        request = json.loads(line)
        began = clock.monotonic()
        child = os.fork()
        if child == 0:
            _live(request, folder, pack_bytes_target)
        status = _awaited(child, request["dieAfterSeconds"], clock)
        answer = {"status": status, "seconds": clock.monotonic() - began}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _live(request: Json, folder: Path, pack_bytes_target: int) -> None:
    """The child: never returns."""
    status = 1
    try:
        for number, name in ((0, os.devnull), (1, "out"), (2, "err")):
            mode = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            opened = os.open(folder / name, mode, 0o600)
            os.dup2(opened, number)
        for name, value in request["variables"].items():
            os.environ[name] = value  # noqa: TID251 - the environment of a process of its own
        install(Points(folder / "points", request["dieAt"]), pack_bytes_target)
        status = main(request["words"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _awaited(child: int, seconds: float | None, clock: SystemClock) -> int:
    """How a child ended; one that lives longer than `seconds` is killed."""
    if seconds is not None:
        give_up_at = clock.monotonic() + seconds
        while clock.monotonic() < give_up_at:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            clock.sleep(_POLL_SECONDS)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _load() -> None:
    """Everything that commands import when they run, so that children need not."""
    import importlib

    from imgrepl.cli.nouns import NOUNS

    for noun in NOUNS:
        importlib.import_module(f"imgrepl.cli.{noun.module}")
    for name in (
        "alembic.command",
        "boto3",
        "imgrepl.client",
        "imgrepl.actions.collecting",
        "imgrepl.actions.index",
        "imgrepl.actions.scrubbing",
        "imgrepl.actions.publishing",
        "imgrepl.disks.detect",
        "imgrepl.engine.dedup_cache",
        "imgrepl.store.probe",
    ):
        importlib.import_module(name)


if __name__ == "__main__":
    _load()
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
