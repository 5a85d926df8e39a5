"""Detached workers: processes that carry an operation on after this one has ended."""

import subprocess
import sys

from imgrepl.model.ids import OperationId
from imgrepl.settings import Settings


def spawn_worker(settings: Settings, operation_id: OperationId) -> None:
    """Starts a process of its own that runs an operation and outlives this one.

    Logs to the state directory.
    """
    folder = settings.state_dir / "operations"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "imgrepl", "operation", "run", operation_id, "-o", "json"]
    with (folder / f"{operation_id}.log").open("ab") as log:
        subprocess.Popen(  # noqa: S603 - our own program, an id of our own making
            [*command, "--index", settings.index, "--no-progress"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=dict(settings.environ),
        )
