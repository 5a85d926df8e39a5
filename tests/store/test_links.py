"""Uploads in parts and signed addresses, on moto's and three real servers."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple, cast

import pytest

from imgrepl.clock import SystemClock
from imgrepl.errors import NotFound, Unavailable
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.protocols import Links, Store
from imgrepl.store.retrying import RetryPolicy
from imgrepl.store.retrying_links import RetryingLinks
from imgrepl.store.s3 import S3Store
from imgrepl.store.s3_links import S3Links
from imgrepl.testing.clocks import ManualClock
from servers import server_of

PART = b"part " * (1 << 20)
LAST = b"the last part may be short"
KEY = "exports/a/disk.raw"


class Opened(NamedTuple):
    kind: str
    store: Store
    links: Links


@pytest.fixture(params=["seaweedfs", "minio", "versitygw"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A place of its own on a real server."""
    server = server_of(request.param)
    clients = server.clients()
    store = open_store(
        server.new_endpoint().below("r0"),
        environment=server.environment,
        options=StoreOptions(),
        clients=clients,
    )
    assert isinstance(store, S3Store)
    links = RetryingLinks(S3Links(store), RetryPolicy(), SystemClock(), lambda _: None)
    yield Opened(request.param, store, links)
    clients.close()


def fetch(url: str, *, content_range: str | None = None) -> tuple[bytes, str]:
    """What anybody gets, and under which name."""
    headers = {} if content_range is None else {"Range": content_range}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Disposition"]


def refused(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url)
    caught.value.close()
    return caught.value.code


@pytest.mark.servers
def test_an_object_of_parts_is_whole_for_whoever_has_the_link_until_it_expires(
    opened: Opened,
) -> None:
    _kind, store, links = opened
    upload = links.begin(KEY)
    etags = [links.put_part(KEY, upload, n, body) for n, body in ((1, PART), (2, LAST))]
    with pytest.raises(NotFound):
        store.head(KEY)
    links.finish(KEY, upload, etags)

    url = links.signed_url(KEY, seconds=60, filename="disk.img")
    content, name = fetch(url)
    assert content == PART + LAST
    assert "disk.img" in name
    size = len(PART) + len(LAST)
    assert fetch(url, content_range=f"bytes={size - len(LAST)}-")[0] == LAST
    assert refused(url.replace("Signature=", "Signature=0")) == 403
    assert refused(url.replace("disk.raw", "other.raw")) == 403
    short = links.signed_url(KEY, seconds=1, filename="disk.img")
    time.sleep(2.1)
    assert refused(short) == 403
    store.delete([KEY])
    assert refused(url) == 404


@pytest.mark.servers
def test_an_upload_that_was_given_up_leaves_nothing(opened: Opened) -> None:
    _kind, store, links = opened
    upload = links.begin(KEY)
    links.put_part(KEY, upload, 1, LAST)
    begun = list(links.unfinished(KEY))
    assert [(one.key, one.upload_id) for one in begun] == [(KEY, upload)]
    in_folder = list(links.unfinished("exports/"))
    assert in_folder == ([] if opened.kind == "minio" else begun)
    assert list(links.unfinished("packs/")) == []

    links.give_up(KEY, upload)
    links.give_up(KEY, upload)
    assert list(links.unfinished("exports/")) == []
    assert list(store.list("")) == []


class Flaky:
    """Fails each verb once, after it was done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def _once(self, verb: str) -> str:
        self.done.append(verb)
        if self.done.count(verb) == 1:
            raise Unavailable("lost", code="ConnectionLost")
        return verb

    def begin(self, _key: str) -> str:
        return self._once("begin")

    def put_part(self, _key: str, _upload: str, number: int, _body: bytes) -> str:
        return self._once(f"part {number}")

    def finish(self, _key: str, _upload: str, _etags: object) -> None:
        if self.done.count("finish"):
            self.done.append("finish")
            raise NotFound("no such upload", code="NoSuchUpload")
        self._once("finish")


def test_what_was_lost_is_tried_again_and_each_attempt_is_counted() -> None:
    inner, sent = Flaky(), list[int]()
    links = RetryingLinks(cast("Links", inner), RetryPolicy(), ManualClock(), sent.append)
    upload = links.begin("k")
    assert links.put_part("k", upload, 1, b"12345") == "part 1"
    links.finish("k", upload, ["part 1"])
    assert sent == [5, 5]
    assert inner.done == ["begin", "begin", "part 1", "part 1", "finish", "finish"]
