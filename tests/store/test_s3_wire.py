"""What the S3 store puts on the wire, and what it makes of a server that misbehaves there."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from imgrepl.errors import Corrupt, ImgreplError, Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.model.region import Endpoint
from imgrepl.store.credentials import S3Clients
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.s3 import S3Store
from servers import S3Server, free_ports

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler, bytes], None]


class ScriptedServer(ThreadingHTTPServer):
    """Answers as `answer` does and remembers each request as (method, path, headers, body)."""

    daemon_threads = True
    answer: Answer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Scripted)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class _Scripted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, body))
        self.server.answer(self, body)

    do_GET = do_PUT = do_HEAD = do_POST = _any  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


def _reply(
    status: int, body: bytes = b"", *, claimed_bytes: int | None = None, **headers: str
) -> Answer:
    def answer(handler: Handler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header(
            "Content-Length", str(len(body) if claimed_bytes is None else claimed_bytes)
        )
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
        handler.close_connection = claimed_bytes is not None

    return answer


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(scripted: ScriptedServer) -> Iterator[S3Store]:
    server = S3Server("scripted", f"http://127.0.0.1:{scripted.server_address[1]}")
    options = StoreOptions(read_timeout_seconds=0.5)
    clients = S3Clients(server.environment, options)
    endpoint = Endpoint(
        url="s3://golden/eastus/r0",
        endpoint_url=server.endpoint_url,
        credentials_env="TEST",
        storage_class="COLD",
    )
    opened = open_store(endpoint, environment={}, options=options, clients=clients)
    assert isinstance(opened, S3Store)
    yield opened
    clients.close()


def test_a_put_is_one_request_with_our_digest_and_no_other(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.answer = _reply(200, ETag='"e"')
    digest = hashlib.sha256(b"body").digest()
    store.put("packs/ab/k.0", b"body", sha256=digest, if_absent=True)
    ((method, path, headers, body),) = scripted.requests
    assert (method, path, body) == ("PUT", "/golden/eastus/r0/packs/ab/k.0", b"body")
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(digest).decode()
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["x-amz-storage-class"] == "COLD"
    assert not {"x-amz-checksum-crc32", "x-amz-trailer", "content-md5"} & set(headers)


def test_a_given_digest_is_not_computed_again(
    scripted: ScriptedServer, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answer = _reply(200, ETag='"e"')
    digest = hashlib.sha256(b"warm").digest()
    store.put("k", b"warm", sha256=digest)
    hashed = 0
    real = hashlib.sha256

    def counting(content: bytes = b"", **options: bool) -> Any:
        nonlocal hashed
        hashed += len(content)
        return real(content, **options)

    monkeypatch.setattr(hashlib, "sha256", counting)
    store.put("k", bytes(1 << 20), sha256=real(bytes(1 << 20)).digest())
    assert hashed < 1 << 20


def test_no_request_is_repeated_by_the_bare_store(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.answer = _reply(503, Retry_After="3")
    with pytest.raises(Unavailable) as caught:
        store.head("k")
    assert caught.value.retry_after_seconds == 3
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [301, 307, 400])
def test_a_redirect_is_not_followed(scripted: ScriptedServer, store: S3Store, status: int) -> None:
    body = b"<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere</Endpoint></Error>"
    scripted.answer = _reply(status, body, Content_Type="application/xml")
    with pytest.raises(Invalid, match=r"golden.*elsewhere") as caught:
        store.get("k")
    assert caught.value.code == "WrongSigningRegion"
    assert len(scripted.requests) == 1


def test_a_head_in_the_wrong_region_names_the_right_one(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.answer = _reply(400, x_amz_bucket_region="eu-west-3")
    with pytest.raises(Invalid) as caught:
        store.head("k")
    assert caught.value.code == "WrongSigningRegion"
    assert "eu-west-3" in f"{caught.value.hint}"
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("page", [b"<ListBucketResult><Contents><Key>ea", b"<html>", b"hello"])
def test_a_page_that_is_cut_short_or_no_s3_at_all_is_never_the_end(
    scripted: ScriptedServer, store: S3Store, page: bytes
) -> None:
    scripted.answer = _reply(200, page, Content_Type="application/xml")
    with pytest.raises(Unavailable):
        list(store.list(""))


@pytest.mark.parametrize("page", [b"", b"<html></html>"])
def test_a_page_that_says_nothing_is_never_the_end(
    scripted: ScriptedServer, store: S3Store, page: bytes
) -> None:
    scripted.answer = _reply(200, page, Content_Type="application/xml")
    with pytest.raises(Unavailable):
        list(store.list(""))


def test_a_body_that_ends_early_is_no_object(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.answer = _reply(200, b"half", claimed_bytes=8, ETag='"e"')
    with pytest.raises(Unavailable) as caught:
        store.get("k")
    assert caught.value.code == "ConnectionLost"


def test_a_server_that_falls_silent_is_left_after_the_timeout(
    scripted: ScriptedServer, store: S3Store
) -> None:
    released = threading.Event()
    scripted.answer = lambda _handler, _body: (released.wait(5), None)[1]
    with pytest.raises(Unavailable) as caught:
        store.head("k")
    released.set()
    assert caught.value.code == "EndpointTimeout"


def test_a_connection_serves_many_requests(scripted: ScriptedServer, store: S3Store) -> None:
    get, put = _reply(200, b"bytes", ETag='"e"'), _reply(200, ETag='"e"')
    scripted.answer = lambda handler, body: (put if body else get)(handler, body)
    for _ in range(5):
        store.get("k")
        store.put("k", b"bytes")
    assert scripted.connections == 1


def test_a_server_that_ignores_ranges_is_understood(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.answer = _reply(200, b"0123456789", ETag='"e"')
    assert store.get("k", offset=2, length=3) == b"234"
    assert store.get("k", offset=-3) == b"789"
    with pytest.raises(Corrupt):
        store.get("k", offset=8, length=3)


def test_a_suffix_that_a_server_finds_too_long_is_read_whole(
    scripted: ScriptedServer, store: S3Store
) -> None:
    def answer(handler: Handler, body: bytes) -> None:
        if "Range" in handler.headers:
            _reply(416)(handler, body)
        else:
            _reply(200, b"0123", ETag='"e"')(handler, body)

    scripted.answer = answer
    assert store.get("k", offset=-9) == b"0123"


def test_an_answer_of_something_else_is_no_object(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.answer = _reply(200, b"please log in")
    with pytest.raises(Unavailable):
        store.head("k")
    with pytest.raises(Unavailable):
        store.put("k", b"x")


PAGE = (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<IsTruncated>true</IsTruncated><Contents><Key>eastus/r0/a</Key><Size>1</Size>"
    "<ETag>e</ETag></Contents>{token}</ListBucketResult>"
)


def test_a_listing_that_goes_on_nowhere_raises(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.answer = _reply(200, PAGE.format(token="").encode(), Content_Type="application/xml")
    with pytest.raises(Unavailable) as caught:
        list(store.list(""))
    assert caught.value.code == "ListingIncomplete"


def test_a_page_that_fails_is_never_the_end(scripted: ScriptedServer, store: S3Store) -> None:
    token = "<NextContinuationToken>next</NextContinuationToken>"

    def answer(handler: Handler, body: bytes) -> None:
        if "continuation-token=next" in handler.path:
            _reply(500)(handler, body)
        else:
            _reply(200, PAGE.format(token=token).encode())(handler, body)

    scripted.answer = answer
    with pytest.raises(Unavailable):
        list(store.list(""))


def test_deletions_carry_the_digest_that_old_servers_ask_for(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.answer = _reply(
        200,
        b"<DeleteResult><Deleted><Key>eastus/r0/a</Key></Deleted>"
        b"<Error><Key>eastus/r0/b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        b"<Error><Key>eastus/r0/c</Key><Code>SlowDown</Code><Message>later</Message></Error>"
        b"<Error><Key>eastus/r0/d</Key><Code>NoSuchKey</Code></Error></DeleteResult>",
    )
    failures = {failure.key: failure for failure in store.delete(["a", "b", "c", "d", "e"])}
    assert sorted(failures) == ["b", "c", "e"]
    assert [failures[key].transient for key in ("b", "c", "e")] == [False, True, False]
    _, _, headers, body = scripted.requests[0]
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(body).digest()).decode()


def test_a_copy_that_fails_under_status_200_is_a_failure(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.answer = _reply(200, b"<Error><Code>InternalError</Code><Message>x</Message></Error>")
    with pytest.raises(Unavailable):
        store.copy_from(store, "a", "b")


def test_a_checksum_of_part_checksums_is_not_taken_for_the_objects(
    scripted: ScriptedServer, store: S3Store
) -> None:
    composite = base64.b64encode(bytes(32)).decode() + "-3"
    scripted.answer = _reply(200, ETag='"e"', x_amz_checksum_sha256=composite)
    assert store.head("k").sha256 is None


def test_a_port_where_nobody_listens_is_unavailable_at_once() -> None:
    (port,) = free_ports(1)
    server = S3Server("none", f"http://127.0.0.1:{port}")
    store = open_store(
        server.endpoint("bucket"), environment=server.environment, options=StoreOptions()
    )
    with pytest.raises(Unavailable, match=str(port)) as caught:
        store.head("k")
    assert caught.value.code == "EndpointUnreachable"


@pytest.mark.parametrize(
    ("server_code", "error", "code"),
    [
        ("NoSuchKey", NotFound, "ObjectNotFound"),
        ("NoSuchBucket", NotFound, "BucketMissing"),
        ("XAdminUserNotFound", NotAllowed, "CredentialsRefused"),
    ],
)
def test_a_head_that_finds_nothing_says_whether_key_bucket_or_account_is_missing(
    scripted: ScriptedServer,
    store: S3Store,
    server_code: str,
    error: type[ImgreplError],
    code: str,
) -> None:
    """A HEAD's 404 has no body to tell: only a key that is surely absent is not found."""
    scripted.answer = _reply(404, f"<Error><Code>{server_code}</Code></Error>".encode())
    with pytest.raises(error) as caught:
        store.head("packs/ab/k.0")
    assert caught.value.code == code


def test_a_head_of_what_comes_into_being_meanwhile_finds_it(
    scripted: ScriptedServer, store: S3Store
) -> None:
    answers = iter([_reply(404), _reply(200, b"body"), _reply(200, b"body", ETag='"e"')])
    scripted.answer = lambda handler, body: next(answers)(handler, body)
    assert store.head("packs/ab/k.0").size_bytes == 4
