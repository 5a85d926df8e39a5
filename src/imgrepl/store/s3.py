"""A place in a bucket of any S3-compatible server.

One request per verb: no retry loop and no sleep in here, the retrying wrapper has both. Calls are
botocore's low-level ones: with bodies of one piece and one SHA-256 pass they cost what compiled
clients cost.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from imgrepl.clock import Clock, SystemClock
from imgrepl.errors import NotFound, Unavailable
from imgrepl.store.keys import checked_key, checked_prefix
from imgrepl.store.listing_order import in_key_order, safe_start
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo
from imgrepl.store.ranges import check_range, span_of, truncated
from imgrepl.store.refusals import check_conditions, copy_not_supported
from imgrepl.store.s3_errors import TRANSIENT_CODES, Request, translated
from imgrepl.store.wrapping import bare

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS_PER_REQUEST_MAX = 1000
"""What DeleteObjects takes and ListObjectsV2 gives at a time."""


class S3Store:
    """Objects under `prefix` of `bucket`, through one botocore client (thread-safe, shared).

    `server` says which places one server can copy between: equal and not empty means one endpoint
    and one account. `storage_class` is asked for on every put and copy; None leaves it to the
    bucket.
    """

    def __init__(
        self,
        client: "S3Client",
        *,
        bucket: str,
        prefix: str = "",
        url: str = "",
        server: str = "",
        storage_class: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.client = client
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._url = url or f"s3://{bucket}/{self._prefix}"
        self._server = server
        self._class: dict[str, Any] = {"StorageClass": storage_class} if storage_class else {}
        self._clock = clock or SystemClock()

    @property
    def url(self) -> str:
        return self._url

    def full_key(self, key: str) -> str:
        """The key as the bucket knows it."""
        return self._prefix + checked_key(key)

    def full_prefix(self, prefix: str) -> str:
        """The beginning of keys as the bucket knows it."""
        return self._prefix + checked_prefix(prefix)

    @contextmanager
    def translating(
        self,
        verb: str,
        key: str,
        *,
        if_absent: bool = False,
        if_match: bool = False,
        source: str = "",
    ) -> Iterator[None]:
        """Lets only errors of ours out of one request."""
        try:
            yield
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            request = Request(
                verb=verb,
                url=self.url,
                server=self.client.meta.endpoint_url,
                bucket=self.bucket,
                key=key,
                if_absent=if_absent,
                if_match=if_match,
                source=source,
            )
            raise translated(error, request, self._clock.now()) from error

    def head(self, key: str) -> ObjectInfo:
        with suppress(NotFound):
            return self._head(key)
        # A 404 to a HEAD has no body. What is missing, the key, the bucket or the account, is asked
        # by a GET: to take one for another would call everything in a place gone.
        with self.translating("GET", key):
            answer = self.client.get_object(Bucket=self.bucket, Key=self.full_key(key))
            answer["Body"].close()
        return self._head(key)

    def _head(self, key: str) -> ObjectInfo:
        with self.translating("HEAD", key):
            answer = self.client.head_object(
                Bucket=self.bucket, Key=self.full_key(key), ChecksumMode="ENABLED"
            )
        return _info(key, answer["ContentLength"], answer)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        check_range(key, offset, length)
        if length == 0:
            span_of(key, self.head(key).size_bytes, offset, length)
            return b""
        fetched = self._fetch(key, _range_header(offset, length))
        if fetched is None:
            return self._past_the_end(key, offset, length)
        content, is_whole = fetched
        if is_whole:
            start, end = span_of(key, len(content), offset, length)
            return content[start:end]
        if length is not None and len(content) != length:
            raise truncated(key, offset + length, offset + len(content))
        return content

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        checked_prefix(prefix)
        for info in in_key_order(self._listed(prefix, start_after), prefix):
            if info.key > start_after:
                yield info

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        check_conditions(key, if_absent=if_absent, if_match=if_match)
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
        if if_match is not None:
            condition = {"IfMatch": if_match}
        content: Any = bytes(body) if isinstance(body, memoryview) else body
        digest = sha256 or hashlib.sha256(content).digest()
        with self.translating("PUT", key, if_absent=if_absent, if_match=if_match is not None):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=self.full_key(key),
                Body=content,
                ChecksumSHA256=base64.b64encode(digest).decode("ascii"),
                **condition,
                **self._class,
            )
        return _info(key, len(content), answer)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        failures: list[DeleteFailure] = []
        for start in range(0, len(keys), KEYS_PER_REQUEST_MAX):
            failures += self._delete_batch(keys[start : start + KEYS_PER_REQUEST_MAX])
        return failures

    def can_copy_from(self, source: object) -> bool:
        origin = bare(source)
        return isinstance(origin, S3Store) and bool(self._server) and origin._server == self._server

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        origin = bare(source)
        if not isinstance(origin, S3Store) or not self.can_copy_from(origin):
            raise copy_not_supported(source, self.url)
        with self.translating("COPY", key, source=f"{origin.url}/{source_key}"):
            self.client.copy_object(
                Bucket=self.bucket,
                Key=self.full_key(key),
                CopySource={"Bucket": origin.bucket, "Key": origin.full_key(source_key)},
                **self._class,
            )
        return self.head(key)

    def _fetch(self, key: str, range_header: str | None) -> tuple[bytes, bool] | None:
        """Bytes and whether they are the whole object; None: the range begins past its end."""
        ranged: dict[str, Any] = {"Range": range_header} if range_header else {}
        with self.translating("GET", key):
            try:
                answer = self.client.get_object(
                    Bucket=self.bucket, Key=self.full_key(key), **ranged
                )
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:
                    return None
                raise
            with closing(answer["Body"]) as stream:
                content = stream.read()
        return content, "ContentRange" not in answer

    def _past_the_end(self, key: str, offset: int, length: int | None) -> bytes:
        """The answer where a server found no byte in the range: empty, or too short an object.

        Some servers refuse a suffix that is longer than the object: it is read whole.
        """
        start, end = span_of(key, self.head(key).size_bytes, offset, length)
        fetched = self._fetch(key, None) if start < end else None
        return b"" if fetched is None else fetched[0][start:end]

    def _listed(self, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        """All that the server lists, in its own order; some may not be after `start_after`."""
        wanted = self._prefix + prefix
        after = safe_start(self._prefix + start_after, wanted) if start_after > prefix else ""
        page: dict[str, Any] = {"StartAfter": after} if after else {}
        while True:
            with self.translating("LIST", prefix):
                answer = self.client.list_objects_v2(
                    Bucket=self.bucket, Prefix=wanted, MaxKeys=KEYS_PER_REQUEST_MAX, **page
                )
            for item in answer.get("Contents", ()):
                if not item["Key"].endswith("/"):  # such are marks of empty folders
                    key = item["Key"].removeprefix(self._prefix)
                    yield ObjectInfo(key=key, size_bytes=item["Size"], etag=item.get("ETag", ""))
            token = self._next_page(answer)
            if token is None:
                return
            page = {"ContinuationToken": token}

    def _next_page(self, answer: Any) -> str | None:  # noqa: ANN401 - botocore's own mapping
        """Where the listing goes on; None at its end, which the server must have stated."""
        is_truncated, token = answer.get("IsTruncated"), answer.get("NextContinuationToken")
        if is_truncated is False:
            return None
        if not token:
            raise Unavailable(
                f"a listing of {self.url} neither ends nor says where it goes on",
                code="ListingIncomplete",
                target=self.url,
            )
        return str(token)

    def _delete_batch(self, keys: Sequence[str]) -> Iterator[DeleteFailure]:
        names = {self.full_key(key): key for key in keys}
        with self.translating("DELETE", f"{len(keys)} keys"):
            answer = self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": name} for name in names]}
            )
        for deleted in answer.get("Deleted", ()):
            names.pop(deleted["Key"], None)
        for error in answer.get("Errors", ()):
            key, code = names.pop(error.get("Key", ""), ""), error.get("Code", "")
            if code != "NoSuchKey":
                reason = f"{code}: {error.get('Message', '')}"
                yield DeleteFailure(key=key, reason=reason, transient=code in TRANSIENT_CODES)
        for key in names.values():
            yield DeleteFailure(key=key, reason="the server did not say that it is deleted")


def _range_header(offset: int, length: int | None) -> str | None:
    if length is not None:
        return f"bytes={offset}-{offset + length - 1}"
    if offset < 0:
        return f"bytes={offset}"
    return f"bytes={offset}-" if offset else None


def _info(key: str, size_bytes: int, answer: Any) -> ObjectInfo:  # noqa: ANN401 - as above
    if "ETag" not in answer:
        raise Unavailable(
            f"the answer about {key} has no ETag: it is no S3 server's",
            code="ConnectionLost",
            target=key,
        )
    return ObjectInfo(
        key=key,
        size_bytes=size_bytes,
        etag=answer["ETag"],
        sha256=_stated_sha256(answer.get("ChecksumSHA256")),
    )


def _stated_sha256(text: str | None) -> bytes | None:
    """The digest of the whole object; None for a checksum of part checksums (`…-3`)."""
    if not text or "-" in text:
        return None
    digest = base64.b64decode(text)
    return digest if len(digest) == hashlib.sha256().digest_size else None
