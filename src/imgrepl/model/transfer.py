"""What one operation moved, counted where the bytes moved."""

from collections.abc import Iterable
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


def moved_since(
    before: Iterable[RegionTransfer], now: Iterable[RegionTransfer]
) -> tuple[RegionTransfer, ...]:
    """What one run moved, out of meters that count for as long as a process lives.

    A region that nothing was asked of meanwhile is left out.
    """
    earlier = {part.region: part for part in before}
    return tuple(
        _difference(part, earlier.get(part.region, RegionTransfer(region=part.region)))
        for part in now
        if part != earlier.get(part.region)
    )


def _difference(later: RegionTransfer, earlier: RegionTransfer) -> RegionTransfer:
    return RegionTransfer(
        region=later.region,
        sent_bytes=later.sent_bytes - earlier.sent_bytes,
        server_copied_bytes=later.server_copied_bytes - earlier.server_copied_bytes,
        received_bytes=later.received_bytes - earlier.received_bytes,
        puts=later.puts - earlier.puts,
        seconds=round(later.seconds - earlier.seconds, 3),
    )


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
