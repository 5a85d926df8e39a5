"""What can only be asked of an S3 server in its own words."""

import base64
import zlib

from botocore.exceptions import ClientError

from imgrepl.store.s3 import S3Store


def server_name(store: S3Store) -> str:
    """What the server calls itself (`MinIO`, `SeaweedFS 8000GB 4.48`); `s3` where it is silent."""
    with store.translating("LIST", ""):
        answer = store.client.list_objects_v2(Bucket=store.bucket, MaxKeys=1)
    return answer["ResponseMetadata"]["HTTPHeaders"].get("server", "s3")


def rehashes_copies(store: S3Store, key: str, copy_key: str, content: bytes) -> bool:
    """Whether a copy gets a checksum that its source does not have: so its bytes were read.

    `key` holds `content` under a SHA-256 alone; the copy is to have a CRC-32, which nobody can
    make out of that. A server that carries checksums over cannot pass.
    """
    with store.translating("COPY", copy_key, source=key):
        try:
            store.client.copy_object(
                Bucket=store.bucket,
                Key=store.full_key(copy_key),
                CopySource={"Bucket": store.bucket, "Key": store.full_key(key)},
                ChecksumAlgorithm="CRC32",
            )
            answer = store.client.head_object(
                Bucket=store.bucket, Key=store.full_key(copy_key), ChecksumMode="ENABLED"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 405, 501):
                return False
            raise
    return answer.get("ChecksumCRC32") == base64.b64encode(_crc32(content)).decode("ascii")


def _crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")
