"""Listings in key order from servers that walk a tree.

SeaweedFS lists `a/x` before `a-b`: it compares names of directories, not keys, though `-` and `.`
come before `/`. Its `StartAfter` skips by the same order. Both are put right here, for any server.
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from imgrepl.store.protocols import ObjectInfo

_BELOW_SLASH = frozenset(" !\"#$%&'()*+,-.")


def in_key_order(infos: Iterable[ObjectInfo], prefix: str) -> Iterator[ObjectInfo]:
    """The same infos sorted by key, given that they come in key order or in tree order.

    Held back are only neighbours that the two orders arrange differently: one directory right
    below `prefix`, and the siblings whose names go on from its own by a character before `/`.
    """
    base = prefix.rfind("/") + 1
    held: list[ObjectInfo] = []
    stem = None
    for info in infos:
        name = info.key[base:].partition("/")[0]
        if stem is None or not _shares_stem(name, stem):
            yield from sorted(held, key=attrgetter("key"))
            held, stem = [], name
        held.append(info)
    yield from sorted(held, key=attrgetter("key"))


def _shares_stem(name: str, stem: str) -> bool:
    return name == stem or (name.startswith(stem) and name[len(stem)] in _BELOW_SLASH)


def safe_start(start_after: str, prefix: str) -> str:
    """A key to start after that skips nothing later than `start_after`, in either order.

    Some earlier keys may be listed once more. Empty where no such key is worth the name. A server
    in tree order skips with `a` all that is below `a/`, hence the step before the last character.
    """
    end = len(prefix)
    while end < len(start_after) and start_after[end] not in _BELOW_SLASH:
        end += 1
    start = start_after[:end]
    if end <= len(prefix) or start.endswith("/"):
        return start if start.endswith("/") else ""
    before = chr(ord(start[-1]) - 1)
    return f"{start[:-1]}{'.' if before == '/' else before}~"
