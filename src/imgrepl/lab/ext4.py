"""An ext4 file system made from a folder by e2fsprogs, without root and without mounting."""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from imgrepl import errors

PINNED_SECONDS = 1_700_000_000
_PINNED_TEXT = "20231114221320"  # the same moment as debugfs reads it
_FILE_SYSTEM_ID = uuid.uuid5(uuid.NAMESPACE_URL, "imgrepl:sample-file-system")
_TOOL_PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/opt/homebrew/opt/e2fsprogs/sbin:/usr/local/sbin"
_ENVIRONMENT = {
    "PATH": _TOOL_PATH,
    "LC_ALL": "C",
    "TZ": "UTC",
    "E2FSPROGS_FAKE_TIME": str(PINNED_SECONDS),
}


def can_make_ext4() -> bool:
    """Whether this machine has e2fsprogs."""
    return all(shutil.which(tool, path=_TOOL_PATH) for tool in ("mke2fs", "debugfs"))


def make_ext4(disk: Path, *, offset: int, length: int, tree: Path) -> None:
    """Puts a file system of `length` bytes with the content of `tree` at `offset` of `disk`.

    The same tree gives the same bytes: ids and times are pinned. Raises `Unavailable`
    (`SampleToolFailed`).
    """
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (PINNED_SECONDS, PINNED_SECONDS), follow_symlinks=False)
    options = f"offset={offset},hash_seed={_FILE_SYSTEM_ID},lazy_itable_init=1,root_owner=0:0"
    run_e2fs_tool(
        *(
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            "-L",
            "files",
            "-U",
            str(_FILE_SYSTEM_ID),
        ),
        *("-E", options, "-d", str(tree), str(disk), f"{length // 1024}k"),
    )
    debugfs(disk, offset, _pin_times(tree))


def debugfs(disk: Path, offset: int, commands: str) -> None:
    """Runs debugfs commands, one a line, on the file system at `offset` of `disk`, writing.

    debugfs ends with status 0 whatever its commands did; what it says besides its name is a fault.
    """
    image = f"{disk}?offset={offset}"
    said = run_e2fs_tool("debugfs", "-w", "-f", "-", image, standard_input=commands)
    complaints = [line for line in said.splitlines() if not line.startswith("debugfs 1.")]
    if complaints:
        raise _failed("debugfs", complaints[0])


def run_e2fs_tool(*command: str, standard_input: str = "") -> str:
    """Runs one tool of e2fsprogs with the pinned clock; gives what it said on standard error."""
    done = subprocess.run(
        command,
        env=_ENVIRONMENT,
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _failed(command[0], f"status {done.returncode}: {done.stderr.strip()}")
    return done.stderr


def _failed(tool: str, complaint: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"{tool} failed: {complaint}",
        code="SampleToolFailed",
        hint="Check that the folder has room for about 1 GB and the disk for its files.",
    )


def _pin_times(tree: Path) -> str:
    """mke2fs copies each file's change and access time, which no system call can set."""
    names = ["", *(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))]
    return "".join(
        f'sif "/{name}" {field} {_PINNED_TEXT}\n' for name in names for field in ("ctime", "atime")
    )
