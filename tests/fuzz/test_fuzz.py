"""A few thousand mutated inputs for every reader, and what the fuzzer itself must do.

`make fuzz INPUTS=1000000` runs as many as one likes, and goes on where it was stopped.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import fuzzer
from fuzz.edits import applied
from fuzz.fuzzer import Finding, input_of, run, write_down
from fuzz.target import Seed, Target
from fuzz.targets import all_targets
from images.sparse import SparseBytes
from imgrepl.errors import Corrupt, Invalid

TESTS = Path(__file__).parents[1]
GOOD = {"adopted", "read"}


def fuzz(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "fuzz", "--folder", str(folder), "--jobs", "1", *words]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"}
    return subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=250
    )


def test_thousands_of_mutated_inputs_are_read_or_refused(tmp_path: Path) -> None:
    ran = fuzz(tmp_path, "--inputs", "5000")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5,000 inputs, 0 findings" in ran.stdout
    outcomes = json.loads((tmp_path / "state.json").read_text())["outcomes"]
    for target in all_targets():
        words = {name.partition(": ")[2] for name in outcomes if name.startswith(target.name)}
        assert len(words) > 1 or target.name in {"key", "journal"}, (target.name, words)

    begun = time.monotonic()
    again = fuzz(tmp_path, "--inputs", "5000")
    assert again.stdout == ran.stdout
    assert time.monotonic() - begun < 5, "what is done is not done again"


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_the_seeds_are_good_inputs(target: Target) -> None:
    for seed in target.seeds:
        mended = seed.mend(seed.content) if seed.mend else seed.content
        outcome = target.read(mended)
        refused = outcome in {"ParentNotFound", "BackingFileNotNamed"}
        assert outcome in GOOD or " " in outcome or refused, (seed.name, outcome)


def test_a_number_is_the_same_input_for_ever() -> None:
    one, again = (input_of(all_targets(), 4711) for _ in range(2))
    assert (one.target, one.edits, one.mended) == (again.target, again.edits, again.mended)
    assert one.content(one.edits).to_bytes() == again.content(again.edits).to_bytes()
    assert len({str(input_of(all_targets(), number).edits) for number in range(500)}) > 450


def planted(act: Callable[[bytes], object]) -> tuple[Target, ...]:
    """One target that reads 64 bytes, with something wrong in it."""

    def read(image: SparseBytes) -> str:
        try:
            act(image.to_bytes())
        except (Corrupt, Invalid) as error:
            return error.code
        return "read"

    seed = Seed(name="zeros", content=SparseBytes(64), areas=((8, 4),))
    return (Target(name="planted", seeds=[seed], read=read, memory_bytes=64 << 20),)


def first_finding(act: Callable[[bytes], object]) -> Finding:
    for number in range(2000):
        tally = run(planted(act), iter([number]))
        if tally.findings:
            return tally.findings[0]
    raise AssertionError("2,000 inputs and nothing found")


def test_a_crash_is_found_made_small_and_written_down(tmp_path: Path) -> None:
    def crash(content: bytes) -> None:
        if len(content) > 9 and content[9] >= 0x80:
            [][content[9]]

    finding = first_finding(crash)
    assert finding.why.startswith("IndexError")
    assert len(finding.edits) == 1
    text = write_down(finding, tmp_path)
    assert f"--only {finding.input.number}" in text.read_text()
    (written,) = tmp_path.glob("*.bin")
    small = applied(finding.input.seed.content, finding.edits).to_bytes()
    assert written.read_bytes() == small
    with pytest.raises(IndexError):
        crash(small)


def test_what_a_reader_expects_is_no_finding() -> None:
    def refuse(content: bytes) -> None:
        raise Corrupt(f"{len(content)} bytes", code="FrameCorrupt")

    tally = run(planted(refuse), iter(range(50)))
    assert (tally.inputs, tally.findings) == (50, [])
    assert tally.outcomes == {"planted: FrameCorrupt": 50}


def test_an_endless_loop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzer, "CPU_SECONDS", 0.2)

    def hang(content: bytes) -> None:
        while any(content[8:12]):
            with contextlib.suppress(Exception):  # a reader that swallows what it meets
                content[8]

    assert first_finding(hang).why.startswith("Hang")


def test_memory_beyond_the_bound_is_found() -> None:
    def grow(content: bytes) -> None:
        bytearray(int.from_bytes(content[8:12], "little"))

    assert first_finding(grow).why.startswith("MemoryError")
