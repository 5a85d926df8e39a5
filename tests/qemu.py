"""qemu-img as a second opinion, where the machine has it."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_qemu_img = pytest.mark.skipif(
    shutil.which("qemu-img") is None, reason="qemu-img is not installed (apt install qemu-utils)"
)


def qemu_img(command: str, *arguments: str | Path) -> str:
    """What `qemu-img COMMAND …` printed; fails with what it complained of."""
    done = subprocess.run(
        ["qemu-img", command, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
