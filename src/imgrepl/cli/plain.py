"""From values of the model to JSON: camelCase keys, ISO times, bytes as integers."""

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import PurePath
from typing import Any

from imgrepl.azure.times import iso_utc


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no one type
    """`value` as JSON can say it.

    Dataclasses and named tuples become objects with camelCase keys; the keys of mappings are data
    and stay. Numbered enums are written by name, others by value; times in UTC.
    """
    match value:
        case IntEnum():
            return _camel(value.name.lower())
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return iso_utc(value)
        case bytes():
            return value.hex()
        case PurePath():
            return str(value)
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
    return _plain_structure(value)


def _plain_structure(value: object) -> Any:  # noqa: ANN401 - JSON has no one type
    if is_dataclass(value):
        return {_camel(spec.name): plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {_camel(name): plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Set):
        return sorted(plain(item) for item in value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
