"""What went to and from each region, counted at the wire."""

from imgrepl.clock import Clock
from imgrepl.model.transfer import RegionTransfer
from imgrepl.store.metered import Meter, Traffic


class RegionMeter(Meter):
    """A meter that also knows when its region was first and last used."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._first: float | None = None
        self._last = 0.0

    def add(self, traffic: Traffic) -> None:
        self._last = self._clock.monotonic()
        if self._first is None:
            self._first = self._last
        super().add(traffic)

    def transfer(self, region: str) -> RegionTransfer:
        total = self.total
        return RegionTransfer(
            region=region,
            sent_bytes=total.sent_bytes,
            server_copied_bytes=total.server_copied_bytes,
            received_bytes=total.received_bytes,
            puts=total.puts + total.copies,
            seconds=round(self._last - self._first, 3) if self._first is not None else 0.0,
        )
