"""TCP ports of this machine that nobody listens on."""

import secrets
import socket
from collections.abc import Collection

from imgrepl.errors import Unavailable

HOST = "127.0.0.1"
"""Where every server of a lab listens, and the only place it can be reached from."""

_FIRST_PORT = 20_000
_LAST_PORT = 29_999
"""Below the ports that Linux and macOS hand to outgoing connections, so that a server which is
started again finds its old ports free."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of this machine now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it, connections of a server that ended a moment ago count as a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int, *, avoid: Collection[int] = ()) -> tuple[int, ...]:
    """`count` different free ports, none of them in `avoid`.

    The search starts anywhere in the range, so that two labs that start at the same moment hardly
    ever meet; the caller still has to try again with others when a server loses that race.
    Raises `Unavailable` (`NoFreePorts`) where the range has fewer.
    """
    span = _LAST_PORT - _FIRST_PORT + 1
    offset = secrets.randbelow(span)
    found: list[int] = []
    for step in range(span):
        port = _FIRST_PORT + (offset + step) % span
        if port not in avoid and is_free(port):
            found.append(port)
        if len(found) == count:
            return tuple(found)
    raise Unavailable(
        f"{count} free ports are needed between {_FIRST_PORT} and {_LAST_PORT} of {HOST}, "
        f"{len(found)} were found",
        code="NoFreePorts",
        hint="end what listens there (`ss -ltn` shows it), then try again",
    )
