"""Counts what a program really sends to an S3 server, by standing between them.

Slower than the server itself: for a run that is counted, never for one that is timed.
"""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE_BYTES = 1 << 18
_HEAD_BYTES_MAX = 1 << 16
WRITING = ("PUT", "POST", "DELETE")


@dataclass
class Counted:
    """Requests by method, and the bytes of their bodies as they crossed the wire."""

    requests: Counter[str] = field(default_factory=Counter)
    body_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def writing_requests(self) -> int:
        """PUT, POST and DELETE together."""
        return sum(self.requests[method] for method in WRITING)

    def request(self, method: str) -> None:
        with self._lock:
            self.requests[method] += 1

    def body(self, length: int) -> None:
        with self._lock:
            self.body_bytes += length

    def reset(self) -> None:
        with self._lock:
            self.requests.clear()
            self.body_bytes = 0


@contextmanager
def counting(endpoint_url: str) -> Iterator[tuple[str, Counted]]:
    """An endpoint that passes everything on to `endpoint_url`, and what went through it."""
    parts = urlsplit(endpoint_url)
    assert parts.hostname is not None, endpoint_url
    assert parts.port is not None, endpoint_url
    counted = Counted()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(
            target=_accept, args=(listener, (parts.hostname, parts.port), counted), daemon=True
        )
        acceptor.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", counted
        listener.shutdown(socket.SHUT_RDWR)
    acceptor.join()


def _accept(listener: socket.socket, server: tuple[str, int], counted: Counted) -> None:
    connections: list[threading.Thread] = []
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            break  # the listener was closed
        connection = threading.Thread(target=_connect, args=(client, server, counted), daemon=True)
        connection.start()
        connections.append(connection)
    for connection in connections:
        connection.join()


def _connect(client: socket.socket, server: tuple[str, int], counted: Counted) -> None:
    with client, socket.create_connection(server) as upstream:
        answers = threading.Thread(target=_Answers(upstream, client).run, daemon=True)
        answers.start()
        _Requests(client, upstream, counted).run()
        answers.join()


class _Answers:
    """Passes on what the server says."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._source, self._sink = source, sink

    def run(self) -> None:
        with suppress(OSError):
            while piece := self._source.recv(_PIECE_BYTES):
                self._sink.sendall(piece)
        for end in (self._source, self._sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Requests:
    """Passes on what the client says, one request after the other, and counts it."""

    def __init__(self, source: socket.socket, sink: socket.socket, counted: Counted) -> None:
        self._source, self._sink, self._counted = source, sink, counted
        self._left = b""

    def run(self) -> None:
        with suppress(OSError):
            while head := self._read_head():
                self._sink.sendall(head)
                lines = head.decode("latin-1").split("\r\n")
                self._counted.request(lines[0].partition(" ")[0])
                fields = [line.lower().partition(":") for line in lines[1:]]
                headers = {name: value.strip() for name, _, value in fields}
                if headers.get("transfer-encoding") == "chunked":
                    self._pass_chunks()
                else:
                    self._pass(int(headers.get("content-length", "0")))
        for end in (self._sink, self._source):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _read_head(self) -> bytes:
        return self._read_until(b"\r\n\r\n")

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._left:
            piece = self._source.recv(_PIECE_BYTES)
            if not piece or len(self._left) > _HEAD_BYTES_MAX:
                return b""
            self._left += piece
        end = self._left.index(mark) + len(mark)
        found, self._left = self._left[:end], self._left[end:]
        return found

    def _pass_chunks(self) -> None:
        while line := self._read_until(b"\r\n"):
            self._sink.sendall(line)
            length = int(line.partition(b";")[0], 16)
            if length == 0:
                break
            self._pass(length)
            self._sink.sendall(self._read_until(b"\r\n"))
        while line := self._read_until(b"\r\n"):  # trailers, and the empty line behind them
            self._sink.sendall(line)
            if line == b"\r\n":
                return

    def _pass(self, length: int) -> None:
        while length:
            piece = self._left or self._source.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionError("the client left in the middle of a body")
            self._left = piece[length:]
            piece = piece[:length]
            self._sink.sendall(piece)
            self._counted.body(len(piece))
            length -= len(piece)
