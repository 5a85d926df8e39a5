"""Columns of numbers as LEB128: seven bits a byte, the lowest first, the high bit says go on.

Whole columns at once: a manifest of a badly scattered disk has millions of numbers.
"""

import numpy as np
import numpy.typing as npt

from imgrepl.errors import Corrupt

Column = npt.NDArray[np.int64]
VARINT_BYTES_MAX = 9
"""63 bits: all that an offset, a length or a difference of the two can need."""

_SLICE_NUMBERS = 1 << 14
"""Encoded at a time, at 72 bytes of memory each."""

_SHIFTS = np.arange(0, 7 * VARINT_BYTES_MAX, 7, dtype=np.int64)


def encode_varints(column: Column) -> bytes:
    """The numbers of `column`, none negative, back to back."""
    assert not (column < 0).any(), "varints have no sign; fold it first"
    slices = range(0, len(column), _SLICE_NUMBERS)
    return b"".join([_encode_slice(column[at : at + _SLICE_NUMBERS]) for at in slices])


def _encode_slice(column: Column) -> bytes:
    groups = (column[:, None] >> _SHIFTS) & 0x7F
    highest_first = groups[:, ::-1] != 0
    lengths = VARINT_BYTES_MAX - highest_first.argmax(axis=1)
    lengths[column == 0] = 1
    position = np.arange(VARINT_BYTES_MAX)
    groups |= (position < lengths[:, None] - 1) * np.int64(0x80)
    octets: npt.NDArray[np.uint8] = groups[position < lengths[:, None]].astype(np.uint8)
    return octets.tobytes()


def decode_varints(data: memoryview, count: int) -> tuple[Column, int]:
    """The first `count` numbers of `data`, and how many bytes they took. Raises `Corrupt`."""
    if count == 0:
        return np.zeros(0, np.int64), 0
    octets = np.frombuffer(data[: count * VARINT_BYTES_MAX], np.uint8)
    ends = np.flatnonzero(octets < 0x80)[:count] + 1
    if len(ends) < count:
        raise Corrupt(f"{len(ends)} numbers where {count} are stated", code="VarintCorrupt")
    starts = np.concatenate(([0], ends[:-1]))
    if int((ends - starts).max()) > VARINT_BYTES_MAX:
        raise Corrupt(f"a number of more than {VARINT_BYTES_MAX} bytes", code="VarintCorrupt")
    taken = int(ends[-1])
    within = np.arange(taken) - np.repeat(starts, ends - starts)
    parts = (octets[:taken] & 0x7F).astype(np.int64) << (7 * within)
    return np.add.reduceat(parts, starts), taken


def fold_sign(column: Column) -> Column:
    """0, -1, 1, -2, … as 0, 1, 2, 3, …: small differences stay short."""
    return (column << 1) ^ (column >> 63)


def unfold_sign(column: Column) -> Column:
    """The opposite of `fold_sign`."""
    return (column >> 1) ^ -(column & 1)
