"""Garbage is not looked for while the program starts, and is afterwards."""

import gc
from collections.abc import Iterator

import pytest

from imgrepl.cli import garbage


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_a_command_that_runs_collects_again() -> None:
    garbage.put_off()
    assert not gc.isenabled()
    garbage.settle()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_what_is_loaded_later_settles_too() -> None:
    garbage.put_off()
    garbage.settle()
    before = gc.get_freeze_count()
    later = [[number] for number in range(1000)]
    garbage.settle()
    assert gc.get_freeze_count() >= before + len(later)


def test_a_process_that_is_not_ours_keeps_its_own_ways() -> None:
    thresholds = gc.get_threshold()
    garbage.settle()
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == 0
