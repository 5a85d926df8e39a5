"""What a shallow version knows of its source: enough to refuse it once it is another one."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """A file or an object as it was when a version was made to point at it.

    An object has its `etag`, and the `endpoint_url` it was found at (None is AWS itself). A file
    has `inode`, `modified_ns` and `changed_ns`, and a `sample`: the BLAKE3 of pieces of it. The
    device's number is left out, as it changes when a volume is mounted again. The last two say how
    a VHD is read.
    """

    size_bytes: int
    etag: str | None = None
    endpoint_url: str | None = None
    inode: int | None = None
    modified_ns: int | None = None
    changed_ns: int | None = None
    sample: str | None = None
    ignore_checksum: bool = False
    size_from_geometry: bool = False

    def differences(self, now: "SourceState") -> tuple[str, ...]:
        """What is another than it was, one line a field; empty where it is the same source."""
        return tuple(
            f"{label} was {getattr(self, name)}, is {getattr(now, name)}"
            for name, label in _LABELS.items()
            if getattr(self, name) != getattr(now, name)
        )

    def as_json(self) -> dict[str, Any]:
        """What is set, for rows, records and requests."""
        defaults = {spec.name: spec.default for spec in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Back from `as_json`."""
        return cls(**value)


_LABELS = {
    "size_bytes": "size",
    "etag": "ETag",
    "inode": "inode",
    "modified_ns": "modification time in ns",
    "changed_ns": "change time in ns",
    "sample": "sampled content",
}
