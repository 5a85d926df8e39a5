"""Bounds of the engine, as one frozen value."""

import os
from dataclasses import dataclass

MEBIBYTE = 1 << 20


def _workers_default() -> int:
    return max(1, min(os.cpu_count() or 1, 8))


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Every bound the engine keeps, with what it costs.

    Memory at the peak of an ingest: `window_bytes` x (2 x `windows_in_flight` + 3), plus
    `pack_bytes_target` x (`uploads_in_flight` + 1); of a replication `transfer_budget_bytes`, plus
    `region_uploads` packs for each region that was detached; of a download `pack_bytes_target` x 2
    x `downloads_in_flight`.
    """

    workers: int = _workers_default()
    """Threads that hash, compress or decode."""
    window_bytes: int = 4 * MEBIBYTE
    """Bytes of a disk that are read and cut at once; divides 64 MiB."""
    windows_in_flight: int = 4
    """Windows between reading and packing."""
    zstd_level: int = 3
    zstd_level_update: int = 6
    """While at most a third of what was read so far is new."""
    pack_bytes_target: int = 16 * MEBIBYTE
    """A pack is closed once its frames reach this."""
    uploads_in_flight: int = 3
    """Packs that are on their way to the source place."""
    transfer_budget_bytes: int = 128 * MEBIBYTE
    """Packs in memory between the one read and all writes, over all regions."""
    region_queue_packs: int = 4
    """Packs that may wait for one region before it counts as slow."""
    region_uploads: int = 2
    """Packs written to one region at once."""
    pack_reads: int = 2
    """Packs read from a source at once."""
    slow_region_seconds: float = 5.0
    """How long a full region may hold up others before it is served apart."""
    detached_regions: int = 2
    """Slow regions that are served at once, one pack in memory each."""
    downloads_in_flight: int = 4
    """Packs fetched and decoded at once by a download or a deep verify."""
    heads_in_flight: int = 16
    """HEAD requests at once, by verify and resume."""
    rows_per_batch: int = 64
    """Intents or confirmations that share a transaction."""
    lease_seconds: float = 60.0
    """How long an operation's owner may be silent; renewed at a third of it."""
    range_gap_bytes: int = 256 * 1024
    """Two needed ranges of a pack closer than this are read as one."""
