"""A relay on 127.0.0.1 that makes a real S3 server a lesser one, by rules of a test.

It takes what was signed for it, signs it anew for the server behind it, and so may leave parts of
a request out.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

CONDITIONS = frozenset({"if-none-match", "if-match"})
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_OURS = {"host", "authorization", "x-amz-date", "x-amz-content-sha256", "expect", "connection"}
_HOPS = {"transfer-encoding", "connection", "keep-alive"}


class Answer(NamedTuple):
    """What a server answers."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


class Asked(NamedTuple):
    """A request on its way; `forward` asks the real server for it, or for `path` in its place."""

    method: str
    path: str
    headers: Mapping[str, str]
    forward: Callable[[str | None], Answer]


Twist = Callable[[Asked], Answer]
"""Gives the answer to a request in place of the server; it may ask the server."""


def _honestly(asked: Asked) -> Answer:
    return asked.forward(None)


class Relayed(NamedTuple):
    """One request, and what was answered."""

    method: str
    path: str
    status: int


@dataclass
class Relay:
    """What it does to requests, and what it saw.

    Headers that it `forgets` never reach the server. `twist` answers in the server's place. Of one
    method at most `at_once_max` requests are served at once, each for `seconds_each` at least;
    those beyond are answered 503.
    """

    server: S3Server
    url: str
    forgets: frozenset[str] = frozenset()
    at_once_max: int | None = None
    seconds_each: float = 0.0
    twist: Twist = _honestly
    seen: list[Relayed] = field(default_factory=list)
    _at_once: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def as_server(self) -> S3Server:
        """The lesser server: same account and buckets."""
        return S3Server(self.server.kind, self.url)

    def begins(self, method: str) -> bool:
        """Whether one more request is served now; then `ends` must follow."""
        with self._lock:
            if self.at_once_max is not None and self._at_once[method] >= self.at_once_max:
                return False
            self._at_once[method] += 1
            return True

    def ends(self, method: str) -> None:
        with self._lock:
            self._at_once[method] -= 1

    def note(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self.seen.append(Relayed(method, path.partition("?")[0], status))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay: Relay
    _upstream: HTTPConnection | None = None

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.relay.begins(self.command):
            self._answer(503, [("Retry-After", "0")], _SLOW_DOWN)
            return
        try:
            time.sleep(self.relay.seconds_each)
            asked = Asked(
                self.command,
                self.path,
                dict(self.headers.items()),
                lambda path: self._forwarded(path or self.path, body),
            )
            status, headers, content = self.relay.twist(asked)
        finally:
            self.relay.ends(self.command)
        self._answer(status, headers, content)

    def _forwarded(self, path: str, body: bytes) -> Answer:
        left_out = _OURS | self.relay.forgets
        kept = {k: v for k, v in self.headers.items() if k.lower() not in left_out}
        request = AWSRequest(self.command, self.relay.server.endpoint_url + path, kept, body)
        account = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        S3SigV4Auth(account, "s3", "us-east-1").add_auth(request)
        if self._upstream is None:
            self._upstream = HTTPConnection(urlsplit(self.relay.server.endpoint_url).netloc)
        self._upstream.request(self.command, path, body, dict(request.headers.items()))
        answer = self._upstream.getresponse()
        headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOPS]
        return Answer(answer.status, headers, answer.read())

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.relay.note(self.command, self.path, status)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def finish(self) -> None:
        super().finish()
        if self._upstream is not None:
            self._upstream.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def relay_to(
    server: S3Server,
    *,
    forgets: frozenset[str] = frozenset(),
    at_once_max: int | None = None,
    seconds_each: float = 0.0,
) -> Iterator[Relay]:
    """A relay to `server`, ended at the end."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.daemon_threads = True
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    relay = Relay(server, url, forgets, at_once_max, seconds_each)
    listener.RequestHandlerClass = type("_Bound", (_Handler,), {"relay": relay})
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield relay
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
