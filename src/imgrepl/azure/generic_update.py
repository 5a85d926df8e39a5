"""`--set`, `--add` and `--remove` as az has them: edits of a resource's JSON by path.

    --set tags.tier=prod publishingProfile.targetRegions[name=eastus].regionalReplicaCount=3
    --add publishingProfile.targetRegions name=westus regionalReplicaCount=2
    --remove publishingProfile.targetRegions 1    --remove tags.tier

A path is names with dots between them; `[2]` or `[name=eastus]` picks from a list. What stands
behind `tags.` is the tag's name, dots and all.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from imgrepl.errors import Invalid

_NAME = re.compile(r"([^\[\].=]+)((?:\[[^\]]*\])*)")
_PICK = re.compile(r"\[([^\]]*)\]")
_INDEX = re.compile(r"-?[0-9]{1,6}")
_SHOWN_MAX = 20

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Edits:
    """The words behind `--set`, `--add` and `--remove`, as they stand on the command line.

    A value that begins as a JSON object, list or string, or is `null`, is read as such, unless
    `force_string`; any other stays text, and the field that takes it knows what it is.
    """

    sets: Sequence[str] = ()
    adds: Sequence[str] = ()
    removes: Sequence[str] = ()
    force_string: bool = False

    def __bool__(self) -> bool:
        return bool(self.sets or self.adds or self.removes)


def apply(document: Mapping[str, Any], edits: Edits) -> Json:
    """A copy of the document with the edits made: all of `--set`, then `--add`, then `--remove`.

    Raises `Invalid` (`InvalidPath`) for a path that leads nowhere or a word that is no edit.
    """
    edited = copy.deepcopy(dict(document))
    for word in edits.sets:
        path, equals, value = _parted(word)
        if not equals:
            _refuse(word, "it is no PATH=VALUE")
        _put(edited, path, _value(value, edits))
    for path, words in _groups(edits.adds):
        _add(edited, path, words, edits)
    for path, words in _groups(edits.removes):
        _remove(edited, path, words)
    return edited


def _parted(word: str) -> tuple[str, str, str]:
    """At the first `=` that stands in no brackets."""
    depth = 0
    for at, character in enumerate(word):
        depth += (character == "[") - (character == "]")
        if character == "=" and depth <= 0:
            return word[:at], "=", word[at + 1 :]
    return word, "", ""


def _groups(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each path with the words behind it: `K=V` words, or a single one that is no path."""
    path: str | None = None
    values: list[str] = []
    for word in words:
        is_pair = bool(_parted(word)[1])
        if path is not None and (is_pair or (not values and not _looks_like_path(word))):
            values.append(word)
            continue
        if path is not None:
            yield path, values
        if is_pair:
            _refuse(word, "no path stands before it")
        path, values = word, []
    if path is not None:
        yield path, values


def _looks_like_path(word: str) -> bool:
    return "." in word and not _INDEX.fullmatch(word) and not word.startswith("{")


def _value(text: str, edits: Edits) -> Any:  # noqa: ANN401 - whatever JSON says
    if edits.force_string or not (text == "null" or text.startswith(("{", "[", '"'))):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(
            f"{text!r} begins like JSON, and is none: {error}",
            code="InvalidPath",
            target=text,
            hint="--force-string takes it as text",
        ) from error


def _steps(path: str) -> list[str | int | tuple[str, str]]:
    """Names, indexes and `(key, value)` picks."""
    if path.startswith("tags."):
        return ["tags", path.removeprefix("tags.")]
    steps: list[str | int | tuple[str, str]] = []
    for part in path.split("."):
        match = _NAME.fullmatch(part)
        if match is None:
            _refuse(path, f"{part!r} is no name")
        steps.append(match[1])
        for pick in _PICK.findall(match[2]):
            key, equals, value = pick.partition("=")
            if not equals and not _INDEX.fullmatch(pick):
                _refuse(path, f"[{pick}] is neither [NUMBER] nor [KEY=VALUE]")
            steps.append((key, value) if equals else int(pick))
    return steps


def _put(document: Json, path: str, value: Any) -> None:  # noqa: ANN401
    *above, last = _steps(path)
    parent = _walk(document, above, path)
    if isinstance(parent, dict) and isinstance(last, str):
        if last not in parent and above != ["tags"]:
            _nowhere(path, last, parent)
        parent[last] = value
    elif isinstance(parent, list) and not isinstance(last, str):
        parent[_position(parent, last, path)] = value
    else:
        _nowhere(path, last, parent)


def _add(document: Json, path: str, words: Sequence[str], edits: Edits) -> None:
    found = _walk(document, _steps(path), path)
    if not words:
        _refuse(path, "nothing stands behind it to be added")
    pairs = dict(_parted(word)[::2] for word in words if _parted(word)[1])
    whole = {name: _value(text, edits) for name, text in pairs.items()}
    if isinstance(found, dict) and whole:
        found.update(whole)
    elif isinstance(found, list):
        found.append(whole or _value(words[0], edits))
    else:
        _refuse(path, "it is no list, and nothing can be added to it")


def _remove(document: Json, path: str, words: Sequence[str]) -> None:
    steps = _steps(path)
    if words:
        if not _INDEX.fullmatch(words[0]):
            _refuse(words[0], "what is removed from a list is named by its number")
        steps = [*steps, int(words[0])]
    *above, last = steps
    parent = _walk(document, above, path)
    if isinstance(parent, dict) and last in parent:
        if above == ["tags"]:
            del parent[last]
        else:
            parent[last] = [] if isinstance(parent[last], list) else None
    elif isinstance(parent, list) and not isinstance(last, str):
        del parent[_position(parent, last, path)]
    else:
        _nowhere(path, last, parent)


def _walk(document: Json, steps: Sequence[str | int | tuple[str, str]], path: str) -> Any:  # noqa: ANN401
    found: Any = document
    for step in steps:
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and not isinstance(step, str):
            found = found[_position(found, step, path)]
        else:
            _nowhere(path, step, found)
    return found


def _position(items: Sequence[Any], step: int | tuple[str, str], path: str) -> int:
    if isinstance(step, int):
        if not -len(items) <= step < len(items):
            _refuse(path, f"its list has {len(items)} entries, and no number {step}")
        return step
    key, value = step
    for at, item in enumerate(items):
        if isinstance(item, Mapping) and str(item.get(key)).lower() == value.lower():
            return at
    return _refuse(path, f"none of its list has {key}={value}")


def _nowhere(path: str, step: object, found: object) -> NoReturn:
    known = sorted(found)[:_SHOWN_MAX] if isinstance(found, Mapping) else []
    there = f"; there are {', '.join(known)}" if known else ""
    _refuse(path, f"there is no {step}{there}")


def _refuse(word: str, why: str) -> NoReturn:
    raise Invalid(
        f"{word!r} changes nothing: {why}",
        code="InvalidPath",
        target=word,
        hint="paths are those of the resource's JSON, as show -o json prints it: --set tags.a=b,"
        " --add LIST KEY=VALUE …, --remove LIST NUMBER",
    )
