"""From values of the model to JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from imgrepl.cli.plain import plain
from imgrepl.model.proof import ProofLevel


class Colour(StrEnum):
    DEEP_RED = "DeepRed"


class Part(NamedTuple):
    sent_bytes: int


@dataclass(frozen=True)
class Whole:
    server_copied_bytes: int
    parts: tuple[Part, ...]
    tags: MappingProxyType[str, str]
    colour: Colour
    proof: ProofLevel
    at: datetime
    path: Path


def test_keys_of_values_become_camel_case_and_keys_of_mappings_stay() -> None:
    at = datetime(2026, 11, 23, 10, 10, 5, 999_000, tzinfo=timezone(timedelta(hours=1)))
    whole = Whole(
        7,
        (Part(3),),
        MappingProxyType({"build_number": "12"}),
        Colour.DEEP_RED,
        ProofLevel.FULL_READ,
        at,
        Path("/a"),
    )

    assert plain(whole) == {
        "serverCopiedBytes": 7,
        "parts": [{"sentBytes": 3}],
        "tags": {"build_number": "12"},
        "colour": "DeepRed",
        "proof": "fullRead",
        "at": "2026-11-23T09:10:05.999000Z",
        "path": "/a",
    }


def test_bytes_are_hex_and_sets_are_sorted() -> None:
    assert plain({"id": b"\x01\xff", "names": {"b", "a"}}) == {"id": "01ff", "names": ["a", "b"]}


def test_a_value_without_a_form_in_json_is_a_bug_and_says_so() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        plain({"at": datetime.now(UTC), "thing": object()})
