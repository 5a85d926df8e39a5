"""A server on 127.0.0.1 that answers every request alike."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SKEWED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the
server's time is too large.</Message></Error>"""


class _HourAhead(BaseHTTPRequestHandler):
    """Its clock is an hour ahead of ours, so it takes no signature of ours."""

    protocol_version = "HTTP/1.1"

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403)
        self.send_header("Content-Length", str(len(_SKEWED)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(_SKEWED)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _refuse  # noqa: N815 - the library's names

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
        return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def an_hour_ahead() -> Iterator[str]:
    """The URL of an S3 endpoint whose clock is an hour ahead."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HourAhead)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
