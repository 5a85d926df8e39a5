"""A TCP proxy on 127.0.0.1 that cuts connections where it is told: in the middle of any body."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

_CHUNK_BYTES = 16 << 10


class Way(StrEnum):
    """What becomes of a connection once it is cut."""

    RESET = "reset"
    """Both sides get a RST, as from a firewall that has forgotten them."""
    CLOSE = "close"
    """Both sides get an orderly end, in the middle of what they were told."""
    STALL = "stall"
    """Nothing comes any more, and nobody is told."""


class Side(StrEnum):
    """Whose bytes are counted."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True)
class Cut:
    """Cuts a connection once `side` has sent so many bytes on it since this was armed."""

    way: Way
    side: Side
    after_bytes: int


class CuttingProxy:
    """Forwards to one server. Without an armed cut it is a wire."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._cuts: list[Cut] = []
        self._armed = 0
        self._open: list[socket.socket] = []
        self.made = 0
        """Cuts that were made so far."""
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, *cuts: Cut) -> None:
        """The next connections that get so far are cut, one for each of `cuts`."""
        with self._lock:
            self._cuts, self._armed = list(cuts), self._armed + 1

    def close(self) -> None:
        """Ends every connection."""
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                both = (client, server)
                self._open += both
                for side, source, target in (
                    (Side.REQUEST, client, server),
                    (Side.REPLY, server, client),
                ):
                    pump = (side, source, target, both)
                    threading.Thread(target=self._pump, args=pump, daemon=True).start()

    def _pump(
        self,
        side: Side,
        source: socket.socket,
        target: socket.socket,
        both: tuple[socket.socket, socket.socket],
    ) -> None:
        counted, armed = 0, 0
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if armed != self._armed:
                    counted, armed = 0, self._armed
                counted += len(data)
                cut = self._due(side, counted)
                if cut is not None:
                    target.sendall(data[: max(1, len(data) // 2)])
                    _end(cut.way, both)
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _due(self, side: Side, counted: int) -> Cut | None:
        with self._lock:
            for cut in self._cuts:
                if cut.side is side and counted > cut.after_bytes:
                    self._cuts.remove(cut)
                    self.made += 1
                    return cut
        return None


def _end(way: Way, both: tuple[socket.socket, socket.socket]) -> None:
    if way is Way.STALL:
        return  # the pump of this side ends; the sockets stay open
    for each in both:
        if way is Way.RESET:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def cutting_proxy(endpoint_url: str) -> Iterator[CuttingProxy]:
    """A proxy before `endpoint_url` for as long as the block lasts."""
    proxy = CuttingProxy(endpoint_url)
    try:
        yield proxy
    finally:
        proxy.close()
