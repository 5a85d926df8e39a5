"""Detached workers: processes that carry an operation on after this one has ended."""

import subprocess
import sys

from imgrepl.model.ids import OperationId
from imgrepl.settings import Settings, as_variables


def spawn_worker(settings: Settings, operation_id: OperationId) -> None:
    """Starts a process of its own that runs an operation and outlives this one.

    It has the same settings, whatever flags, variables or file they came from; they are handed on
    as variables, which no list of processes shows. Logs to the state directory.
    """
    folder = settings.state_dir / "operations"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "imgrepl", "operation", "run", operation_id]
    with (folder / f"{operation_id}.log").open("ab") as log:
        subprocess.Popen(  # noqa: S603 - our own program, an id of our own making
            [*command, "-o", "json", "--no-progress"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=as_variables(settings),
        )
