"""Whether a resource that was made of a record is one: records are bytes that others may write.

A digest proves only that a record is as it was written. What goes into the index, and from there
into keys, counts and dates, must be of its type and within what the index can hold.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from imgrepl.model.ids import ContentId, IncarnationId

NUMBER_MAX = (1 << 63) - 1
REPLICAS_MAX = 10_000
"""Of one version in one region, whatever the limits in force are: each is a row."""

_PATTERNS: dict[object, re.Pattern[str]] = {
    ContentId: re.compile(r"[0-9a-f]{64}"),
    IncarnationId: re.compile(r"[0-9a-f]{32}"),
}
_COUNTS = {
    "lun": 1 << 16,
    "maximum": (1 << 31) - 1,
    "minimum": (1 << 31) - 1,
    "replica_count": REPLICAS_MAX,
    "replica_counts": REPLICAS_MAX,
    "soft_delete_grace_days": 36_500,
    "soft_delete_retention_days": 36_500,
}
"""Numbers that may not be as large as the index could hold."""
_POSITIVE = frozenset({"replica_count"})
"""Numbers that may not be 0."""


def fault_of(value: object, name: str = "") -> str | None:
    """What is wrong with a dataclass or named tuple of the model; None where all of it fits."""
    for field, kind in get_type_hints(type(value)).items():
        fault = _fault(getattr(value, field), kind, field)
        if fault is not None:
            return f"{name}.{fault}" if name else fault
    return None


def _fault(value: Any, kind: Any, name: str) -> str | None:  # noqa: ANN401 - any annotation
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        faults = [_fault(value, one, name) for one in inner]
        return None if None in faults else faults[0]
    if kind in _PATTERNS:
        fits = isinstance(value, str) and bool(_PATTERNS[kind].fullmatch(value))
        return None if fits else _wrong(name, value)
    if isinstance(kind, NewType):
        return _fault(value, kind.__supertype__, name)
    if origin is tuple:
        if not isinstance(value, tuple):
            return _wrong(name, value)
        return next((f for one in value if (f := _fault(one, inner[0], name))), None)
    if origin is not None and issubclass(origin, Mapping):
        return _fault_of_mapping(value, inner, name)
    return _fault_of_plain(value, kind, name)


def _fault_of_mapping(value: object, kinds: tuple[Any, ...], name: str) -> str | None:
    if not isinstance(value, Mapping):
        return _wrong(name, value)
    for key, item in value.items():
        fault = _fault(key, kinds[0], name) or _fault(item, kinds[1], name)
        if fault is not None:
            return fault
    return None


def _fault_of_plain(value: object, kind: type, name: str) -> str | None:
    if type(value) is not kind:
        return _wrong(name, value)
    if isinstance(value, bool | Enum | types.NoneType):
        return None
    if isinstance(value, int):
        fits = (name in _POSITIVE) <= value <= _COUNTS.get(name, NUMBER_MAX)
    elif isinstance(value, str):
        fits = _is_text(value)
    elif isinstance(value, datetime):
        fits = _is_moment(value)
    else:
        assert is_dataclass(kind) or hasattr(kind, "_fields"), f"{name} is of no known type"
        return fault_of(value, name)
    return None if fits else _wrong(name, value)


def _is_text(value: str) -> bool:
    """Whether databases and terminals can have it: no NUL, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_moment(value: datetime) -> bool:
    if value.tzinfo is None:
        return False
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _wrong(name: str, value: object) -> str:
    return f"{name} of {ascii(value)[:80]}"
