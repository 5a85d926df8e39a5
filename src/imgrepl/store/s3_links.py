"""Signed addresses of objects in a bucket, and uploads in parts for what they lead to.

One request per verb, as in `s3`; each part carries its MD5, which every server checks.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from imgrepl.errors import NotFound
from imgrepl.store.protocols import Unfinished
from imgrepl.store.s3 import S3Store


class S3Links:
    """The `Links` of a place in a bucket."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def begin(self, key: str) -> str:
        store = self._store
        with store.translating("PUT", key):
            answer = store.client.create_multipart_upload(
                Bucket=store.bucket,
                Key=store.full_key(key),
                ContentType="application/octet-stream",
            )
        return answer["UploadId"]

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        store = self._store
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        with store.translating("PUT", key):
            answer = store.client.upload_part(
                Bucket=store.bucket,
                Key=store.full_key(key),
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentMD5=base64.b64encode(digest).decode("ascii"),
            )
        return answer["ETag"]

    def finish(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        store = self._store
        with store.translating("PUT", key):
            store.client.complete_multipart_upload(
                Bucket=store.bucket,
                Key=store.full_key(key),
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": number, "ETag": etag}
                        for number, etag in enumerate(etags, start=1)
                    ]
                },
            )

    def give_up(self, key: str, upload_id: str) -> None:
        store = self._store
        with suppress(NotFound), store.translating("DELETE", key):
            store.client.abort_multipart_upload(
                Bucket=store.bucket, Key=store.full_key(key), UploadId=upload_id
            )

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        store = self._store
        below = store.full_prefix("")
        with store.translating("LIST", prefix):
            pages = store.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=store.bucket, Prefix=store.full_prefix(prefix)
            )
            found = [upload for page in pages for upload in page.get("Uploads", ())]
        for upload in found:
            yield Unfinished(
                key=upload["Key"].removeprefix(below),
                upload_id=upload["UploadId"],
                begun_at=upload["Initiated"],
            )

    def signed_url(self, key: str, *, seconds: int, filename: str) -> str:
        store = self._store
        with store.translating("GET", key):
            return store.client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": store.bucket,
                    "Key": store.full_key(key),
                    "ResponseContentDisposition": f'attachment; filename="{filename}"',
                },
                ExpiresIn=seconds,
            )
