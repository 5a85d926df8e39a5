"""What one operation moved, counted where the bytes moved."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RegionTransfer:
    """One region's part. `seconds` is wall time from its first to its last request."""

    region: str
    sent_bytes: int = 0
    server_copied_bytes: int = 0
    received_bytes: int = 0
    puts: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The whole operation.

    `read_bytes` came from the source file; `occupied_bytes` were non-zero; `new_bytes` were not yet
    in the source place (plain) and `deduplicated_bytes` were; `sent_bytes` left this process as
    object payload, to all regions together; `server_copied_bytes` moved inside a store;
    `packs_written` counts packs made from the source.
    """

    read_bytes: int = 0
    occupied_bytes: int = 0
    new_bytes: int = 0
    deduplicated_bytes: int = 0
    sent_bytes: int = 0
    server_copied_bytes: int = 0
    packs_written: int = 0
    puts: int = 0
    seconds: float = 0.0
    regions: tuple[RegionTransfer, ...] = ()
