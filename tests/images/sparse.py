"""Small images as layers over zeros: a hundred variants of one seed share its bytes."""

from dataclasses import dataclass
from pathlib import Path

_GRAIN_BYTES = 65536


@dataclass(frozen=True)
class SparseBytes:
    """`length` bytes: zeros under `layers`, of which the later lie on top."""

    length: int
    layers: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def of(cls, data: bytes) -> "SparseBytes":
        """The same bytes without their runs of zeros."""
        grains = ((at, data[at : at + _GRAIN_BYTES]) for at in range(0, len(data), _GRAIN_BYTES))
        return cls(len(data), tuple((at, grain) for at, grain in grains if any(grain)))

    def patched(self, *edits: tuple[int, bytes]) -> "SparseBytes":
        """With each (offset, bytes) put on top; a negative offset counts from the end."""
        absolute = tuple((at if at >= 0 else at + self.length, data) for at, data in edits)
        assert all(0 <= at <= self.length - len(data) for at, data in absolute)
        return SparseBytes(self.length, self.layers + absolute)

    def first(self, length: int) -> "SparseBytes":
        """The first `length` bytes, or all but the last `-length`."""
        kept = length if length >= 0 else self.length + length
        return SparseBytes(kept, self.layers)

    def then(self, data: bytes) -> "SparseBytes":
        """With `data` behind the end."""
        return SparseBytes(self.length + len(data), (*self._clipped(), (self.length, data)))

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at `offset`; a negative offset counts from the end."""
        start = offset if offset >= 0 else self.length + offset
        assert 0 <= start <= start + length <= self.length
        out = bytearray(length)
        for at, data in self.layers:
            low, high = max(at, start), min(at + len(data), start + length)
            if low < high:
                out[low - start : high - start] = data[low - at : high - at]
        return bytes(out)

    def to_bytes(self) -> bytes:
        """All of it."""
        return self.read(0, self.length)

    def write_to(self, path: Path) -> None:
        """Makes `path` a sparse file with these bytes."""
        with path.open("wb") as file:
            file.truncate(self.length)
            for at, data in self._clipped():
                file.seek(at)
                file.write(data)

    def _clipped(self) -> tuple[tuple[int, bytes], ...]:
        return tuple((at, data[: self.length - at]) for at, data in self.layers if at < self.length)
