"""One value as a person reads it in a table."""

import re
from collections.abc import Mapping

from imgrepl.cli import human

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def text_of(value: object, field: str = "") -> str:
    """A value as a person reads it; `field` tells a count of bytes from a plain number.

    Moments lose their fractions of a second. Control characters are shown escaped, so that no name
    can drive the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _figure(value, field)
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item, field) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{text_of(name)}={text_of(item, name)}" for name, item in value.items())
    text = visible(str(value))
    moment = _MOMENT.fullmatch(text)
    return f"{moment[1]} {moment[2]}Z" if moment else text


def visible(text: str) -> str:
    """`text` with every character that could drive a terminal escaped, line feeds left out."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _figure(value: float, field: str) -> str:
    name = field.rpartition(".")[2].strip('"')
    if name.startswith("bytes") or name.endswith("Bytes"):
        return human.size(value)
    if name.endswith(("Usd", "UsdPerMonth")):
        return human.usd(value)
    if name.endswith(("seconds", "Seconds")):
        return human.duration(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return ascii(character)[1:-1]
