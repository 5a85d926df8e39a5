"""What a mutating fuzzer does to bytes: a few edits at places that matter, told by numbers.

An edit is a value, so that a failing input can be shown, replayed, and made smaller by leaving
edits out.
"""

import random
import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from images.sparse import SparseBytes

Area = tuple[int, int]
"""Where something stands, and how long it is; a negative start counts from the end."""


class Edit(NamedTuple):
    """`put` bytes at `at`, `resize` to `at`, or `cut`, `insert` and `repeat` there.

    `value` is for JSON: `data` takes the place of the value that stands at `at` or next.
    """

    what: str
    at: int
    data: bytes = b""
    length: int = 0


_EDGES = sorted(
    {
        (sign * 2**power + step) & (2**64 - 1)
        for power in (0, 3, 8, 9, 12, 15, 16, 20, 21, 22, 25, 31, 32, 33, 40, 48, 55, 62, 63)
        for step in (-1, 0, 1)
        for sign in (1, -1)
    }
    | {0, 512, 513, 4095, 65535}
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"(:?)|-?[0-9]+|true|false|null|\[\]|\{\}')
"""Plain JSON values, and keys with the colon behind them."""

_VALUES = [
    *(b"null", b"true", b"false", b"0", b"1", b"-1", b"2147483648", b"-9223372036854775809"),
    *(b"9223372036854775808", b"1" * 30, b"9" * 4301, b"1.5", b"1e5", b"NaN", b"[]", b"{}"),
    *(b"[1]", b'{"a":1}', b'["a","a"]', b"[" * 20 + b"]" * 20, b"[" * 40 + b"]" * 40),
    *(b"[" * 990 + b"]" * 990, b'{"a":' * 300 + b"1" + b"}" * 300, b'""', b'"x"', b'"../../x"'),
    *(b'"/etc/passwd"', b'"\\u0000"', b'"\\ud800"', b'"\\u001b[2J"', b'"\\u212aelvin"'),
    *(b'"' + b"0" * 32 + b'"', b'"' + b"f" * 64 + b'"', b'"' + b"A" * 64 + b'"', b'"1.0.0"'),
    *(b'"2026-01-01T00:00:00"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"'),
    *(b'"2026-01-01"', b'"' + b"x" * 5000 + b'"'),
]
"""JSON values that nobody expects in the place of another."""

_STEPS = (1, -1, 2, 7, 8, 256, 512, -512, 4096, 65536, 1 << 20, -(1 << 20))
_SIZES = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))


def edits_for(
    rng: random.Random, seed: SparseBytes, areas: Sequence[Area], others: Sequence[SparseBytes]
) -> list[Edit]:
    """One to four edits, most of them in `areas`; `others` are good inputs to take bytes from."""
    return [_edit(rng, seed, areas, others) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]


def applied(seed: SparseBytes, edits: Sequence[Edit]) -> SparseBytes:
    """The input that the edits make of a seed; those that do not fit any more are cut short."""
    for edit in edits:
        seed = _applied(seed, edit)
    return seed


def _edit(
    rng: random.Random, seed: SparseBytes, areas: Sequence[Area], others: Sequence[SparseBytes]
) -> Edit:
    start, length = _area(rng, seed, areas)
    at = start + rng.randrange(max(length, 1))
    if _there(seed, 0, 1) == b"{" and rng.random() < 0.9:
        return Edit("value", at, rng.choice(_VALUES) if rng.random() < 0.8 else _stolen(rng, seed))
    match rng.randrange(16):
        case 0:
            return Edit("resize", rng.choice((at, seed.length + rng.choice(_STEPS), 0)))
        case 1 | 2 | 3:
            return _copied(rng, seed, at, areas, others)
        case 4 if seed.length < 1 << 16:
            return _moved(rng, at)
        case 5 | 6 | 7:
            byte = _there(seed, at, 1) or b"\0"
            return Edit("put", at, bytes([byte[0] ^ 1 << rng.randrange(8)]))
        case 8 | 9:
            return _stepped(rng, seed, at)
    size, letter = rng.choice(_SIZES)
    aligned = start + (at - start) // size * size if rng.random() < 0.8 else at
    value = rng.choice(_EDGES) & ((1 << 8 * size) - 1)
    return Edit("put", aligned, struct.pack(rng.choice("<>") + letter, value))


def _moved(rng: random.Random, at: int) -> Edit:
    """All that follows moves."""
    what, size = rng.choice(("cut", "insert", "repeat")), rng.randrange(1, 33)
    return Edit(what, at, rng.randbytes(size) if what == "insert" else b"", size)


def _copied(
    rng: random.Random,
    seed: SparseBytes,
    at: int,
    areas: Sequence[Area],
    others: Sequence[SparseBytes],
) -> Edit:
    """Bytes of another input, of another place, or of nowhere."""
    chosen = rng.randrange(3)
    if chosen == 0:
        return Edit("put", at, _there(rng.choice(others), at, rng.choice((4, 16, 512))))
    if chosen == 1:
        start, length = _area(rng, seed, areas)
        taken = start + rng.randrange(max(length, 1))
        return Edit("put", at, _there(seed, taken, rng.choice((4, 8, 16, 24, 32))))
    return Edit("put", at, rng.randbytes(rng.randrange(1, 9)))


def _values_in(document: bytes) -> list[re.Match[bytes]]:
    return [found for found in _TOKEN.finditer(document) if not found[1]]


def _stolen(rng: random.Random, seed: SparseBytes) -> bytes:
    """A value that stands elsewhere in the same document."""
    values = _values_in(seed.to_bytes())
    return rng.choice(values)[0] if values else b"0"


def _area(rng: random.Random, seed: SparseBytes, areas: Sequence[Area]) -> Area:
    if not areas or rng.random() < 0.05:
        return 0, seed.length
    start, length = rng.choice(areas)
    start = max(start if start >= 0 else seed.length + start, 0)
    return start, min(length, max(seed.length - start, 0))


def _stepped(rng: random.Random, seed: SparseBytes, at: int) -> Edit:
    """A number that is there, made a little larger or smaller."""
    size, letter = rng.choice(_SIZES[1:])
    order = rng.choice("<>")
    raw = _there(seed, at, size)
    if len(raw) < size:
        return Edit("put", at, b"\xff")
    value = struct.unpack(order + letter, raw)[0] + rng.choice(_STEPS)
    return Edit("put", at, struct.pack(order + letter, value & ((1 << 8 * size) - 1)))


def _there(seed: SparseBytes, at: int, length: int) -> bytes:
    if at >= seed.length:
        return b""
    return seed.read(at, min(length, seed.length - at))


def _applied(seed: SparseBytes, edit: Edit) -> SparseBytes:
    at = min(max(edit.at, 0), seed.length)
    match edit.what:
        case "put":
            data = edit.data[: seed.length - at]
            return seed.patched((at, data)) if data else seed
        case "value":
            return SparseBytes.of(_replaced(seed.to_bytes(), at, edit.data))
        case "resize":
            return _resized(seed, max(edit.at, 0))
        case "cut":
            content = seed.to_bytes()
            return SparseBytes.of(content[:at] + content[at + edit.length :])
        case "insert":
            content = seed.to_bytes()
            return SparseBytes.of(content[:at] + edit.data + content[at:])
        case _:
            content = seed.to_bytes()
            return SparseBytes.of(content[: at + edit.length] + content[at:])


def _replaced(document: bytes, at: int, value: bytes) -> bytes:
    """With `value` in the place of the JSON value at `at`, or the next."""
    for found in _values_in(document):
        if found.end() > at:
            return document[: found.start()] + value + document[found.end() :]
    return document


def _resized(seed: SparseBytes, length: int) -> SparseBytes:
    if length <= seed.length:
        return seed.first(length) if length else SparseBytes(0)
    return SparseBytes(length, tuple((at, data) for at, data in seed.layers if at < seed.length))
