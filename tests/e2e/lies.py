"""Lies that a server can tell, each as what a relay answers in its place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e.relay import Answer, Asked, Relay, Twist

ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
)
_NOTHING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
    b"</ListBucketResult>"
)
_SHA256 = "x-amz-checksum-sha256"
_XML = [("Content-Type", "application/xml")]


@dataclass
class Lie:
    """Answers by `twist` whatever it is `about`, at most `times_max` times; `told` counts them."""

    twist: Twist
    method: str
    about: str
    header: str = ""
    query: str = ""
    times_max: int | None = None
    told: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:
        if not self._is_about(asked):
            return asked.forward(None)
        if self.times_max is not None and len(self.told) >= self.times_max:
            return asked.forward(None)
        self.told.append(asked.path.partition("?")[0])
        return self.twist(asked)

    def _is_about(self, asked: Asked) -> bool:
        path, _, query = asked.path.partition("?")
        if asked.method not in self.method.split() or self.about not in path:
            return False
        return self.header in {"", *map(str.lower, asked.headers)} and self.query in query


@contextmanager
def told(relay: Relay, lie: Lie) -> Iterator[Lie]:
    """The server lies until the block ends."""
    honest, relay.twist = relay.twist, lie
    try:
        yield lie
    finally:
        relay.twist = honest


def other_objects(instead: Mapping[str, str], about: str) -> Lie:
    """The bytes of another object, by path, with all that belongs to them."""
    return Lie(
        lambda asked: asked.forward(instead.get(asked.path.partition("?")[0])), "GET HEAD", about
    )


def nothing_listed() -> Lie:
    """Listings that end at once, as if nothing lay there."""
    return Lie(lambda _: Answer(200, _XML, _NOTHING), "GET", "", query="list-type=2")


def wrong_checksums(about: str) -> Lie:
    """The right object, and for its SHA-256 that of nothing."""
    wrong = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    def twist(asked: Asked) -> Answer:
        answer = asked.forward(None)
        headers = [(n, wrong if n.lower() == _SHA256 else v) for n, v in answer.headers]
        return answer._replace(headers=headers)

    return Lie(twist, "HEAD PUT", about)


def error_for_object(about: str) -> Lie:
    """The server's error text, as if it were the object."""
    return Lie(lambda _: Answer(200, [("ETag", '"0"'), *_XML], ERROR), "GET", about)


def error_for_done(
    about: str,
    *,
    method: str = "PUT",
    header: str = "",
    query: str = "",
    times_max: int | None = None,
) -> Lie:
    """200, and an error inside: nothing was done. Copies have a header, uploads a query."""
    return Lie(lambda _: Answer(200, _XML, ERROR), method, about, header, query, times_max)
