"""The bounds of the stores of one process."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Bounds of one client of an S3 server.

    Peak memory of a client: `connections_max` times the largest body in flight.
    """

    connections_max: int = 32
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 60
