"""The S3 store keeps the contract on moto and on three real servers."""

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from imgrepl.errors import NotAllowed, NotFound
from imgrepl.model.region import Endpoint
from imgrepl.store.credentials import S3Clients
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.protocols import Store
from imgrepl.store.s3 import S3Store
from imgrepl.testing.store_suite import StoreContract, StoreSuite
from servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server("moto", f"http://{host}:{port}")
    server.stop()


class S3Contract(StoreContract):
    """The contract on one server; each test has a prefix of its own."""

    @pytest.fixture
    def server(self) -> S3Server:
        raise NotImplementedError

    @pytest.fixture
    def clients(self, server: S3Server) -> Iterator[S3Clients]:
        clients = server.clients()
        yield clients
        clients.close()

    @pytest.fixture
    def base(self, server: S3Server) -> Endpoint:
        return server.new_endpoint()

    @pytest.fixture
    def store(self, server: S3Server, clients: S3Clients, base: Endpoint) -> Store:
        return self.open(server, clients, base.below("r0"))

    @pytest.fixture
    def neighbour(self, server: S3Server, clients: S3Clients, base: Endpoint) -> Store:
        return self.open(server, clients, base.below("r01"))

    def open(self, server: S3Server, clients: S3Clients, endpoint: Endpoint) -> Store:
        return open_store(
            endpoint, environment=server.environment, options=StoreOptions(), clients=clients
        )

    def peek(self, store: Store, key: str) -> bytes:
        assert isinstance(store, S3Store)
        answer = _other_client(store).get_object(Bucket=store.bucket, Key=store.full_key(key))
        with answer["Body"] as body:
            return body.read()

    def plant(self, store: Store, key: str, content: bytes) -> None:
        assert isinstance(store, S3Store)
        _other_client(store).put_object(Bucket=store.bucket, Key=store.full_key(key), Body=content)

    def test_a_copy_crosses_buckets(
        self, store: Store, server: S3Server, clients: S3Clients
    ) -> None:
        other = self.open(server, clients, server.endpoint(server.new_bucket()))
        other.put("k", b"content")
        store.copy_from(other, "k", "k")
        assert self.peek(store, "k") == b"content"


class MissesBuckets(S3Contract):
    """A server that makes no bucket because a put names it."""

    def test_a_missing_bucket_is_named(self, server: S3Server, clients: S3Clients) -> None:
        store = self.open(server, clients, server.endpoint("nobody-made-this"))
        for act in (lambda: store.put("k", b""), lambda: list(store.list(""))):
            with pytest.raises(NotFound, match="nobody-made-this") as caught:
                act()
            assert caught.value.code == "BucketMissing"


class ChecksCredentials(S3Contract):
    """A server that does not let everybody in."""

    def test_wrong_credentials_are_refused_without_showing_them(
        self, store: Store, server: S3Server
    ) -> None:
        assert isinstance(store, S3Store)
        wrong = {**server.environment, "TEST_SECRET_ACCESS_KEY": "not-the-secret"}
        endpoint = server.endpoint(store.bucket)
        clients = S3Clients(wrong, StoreOptions())
        stranger = open_store(endpoint, environment=wrong, options=StoreOptions(), clients=clients)
        acts: list[Callable[[], object]] = [
            lambda: stranger.put("k", b""),
            lambda: stranger.head("k"),
        ]
        for act in acts:
            with pytest.raises(NotAllowed) as caught:
                act()
            assert "not-the-secret" not in f"{caught.value} {caught.value.hint}"
        clients.close()


def _other_client(store: S3Store) -> "S3Client":
    """A client of boto3's own making, with none of our settings."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=store.client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )


class TestMoto(MissesBuckets):
    """It answers some of many simultaneous puts with 500, so it is asked by one at a time."""

    def test_put_refuses_a_body_that_is_not_what_its_digest_says(self, store: Store) -> None:
        """It does not: it is no server to keep anything on, and states what it was told."""
        told = hashlib.sha256(b"other").digest()
        store.put("k", b"content", sha256=told)
        assert self.peek(store, "k") == b"content"

    @pytest.fixture
    def server(self, moto_server: S3Server) -> S3Server:
        return moto_server


@pytest.mark.servers
class TestMinio(MissesBuckets, ChecksCredentials, StoreSuite):
    @pytest.fixture
    def server(self, minio_server: S3Server) -> S3Server:
        return minio_server


@pytest.mark.servers
class TestVersitygw(MissesBuckets, ChecksCredentials, StoreSuite):
    @pytest.fixture
    def server(self, versitygw_server: S3Server) -> S3Server:
        return versitygw_server


@pytest.mark.servers
class TestSeaweedfs(ChecksCredentials, StoreSuite):
    """It makes a bucket that a put names."""

    @pytest.fixture
    def server(self, seaweedfs_server: S3Server) -> S3Server:
        return seaweedfs_server
