"""Ctrl-C: once asks the work to stop, twice ends the process."""

import signal
import subprocess
import sys

import pytest

WORKER = """
import sys
from imgrepl.cli.interrupts import Interrupts

with Interrupts().cooperative() as stop:
    print("ready", flush=True)
    stop.wait(20)
    print("stopping", flush=True)
    if sys.argv[1] == "stuck":
        sys.stdin.read()
"""


def started(mode: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_work_come_to_its_own_end(number: signal.Signals) -> None:
    with started("prompt") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert out == "stopping\n"
    assert "what is durable stays" in err
    assert process.returncode == 0


def test_the_second_signal_ends_a_process_that_is_stuck() -> None:
    with started("stuck") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
