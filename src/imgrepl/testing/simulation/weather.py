"""How likely each fault befalls a request on its way, and how slow the way is."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Chances for one request each."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    busy: float = 0.0
    timeout: float = 0.0
    """The client gives up; the request takes effect at any later time, or never."""
    duplicate: float = 0.0
    """A write is served twice, as by a proxy that tries again: at once, or much later."""
    partial: float = 0.0
    """A put breaks off half-way: the server keeps nothing of it."""
    flip: float = 0.0
    """A read gives one wrong bit."""
    truncate: float = 0.0
    """A read gives half, and says nothing."""
    swap: float = 0.0
    """A read gives the bytes of another object."""
    stale: float = 0.0
    """A listing shows the place as it was at some earlier moment."""
    index_busy: float = 0.0
    """A transaction of the gallery index does not begin."""
    index_unsure: float = 0.0
    """A transaction commits, and its process is told that the connection broke."""
    latency_seconds_max: float = 0.05
    late_seconds_max: float = 600.0
    """How late a request may arrive that its client gave up, or the second of two."""

    def calm(self) -> "Weather":
        """The same way with no faults on it."""
        return Weather(
            latency_seconds_max=self.latency_seconds_max, late_seconds_max=self.late_seconds_max
        )


WEATHER_FAULTS = tuple(f.name for f in fields(Weather) if not f.name.endswith("_seconds_max"))
LIES = frozenset({"flip", "truncate", "swap"})
"""Faults that give wrong bytes."""
