"""Figures for people."""

import pytest

from imgrepl.cli import human


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (294649856, "281.0 MiB"),
        (1 << 62, "4.0 EiB"),
        (1 << 72, "4,096.0 EiB"),
    ],
)
def test_sizes_take_the_largest_binary_unit(count: int, text: str) -> None:
    assert human.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_rounded_and_never_show_sixty(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text
