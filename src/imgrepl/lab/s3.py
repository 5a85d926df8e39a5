"""S3 calls to a server of a lab, short and without retries: the lab asks again by itself."""

from typing import TYPE_CHECKING

from imgrepl.lab.keys import Keys
from imgrepl.lab.state import SIGNING_REGION, LabServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CALL_SECONDS_MAX = 2.0


def client_of(
    server: LabServer, keys: Keys, *, read_seconds_max: float = CALL_SECONDS_MAX
) -> "S3Client":
    """A client for this server, which the caller closes. No proxy stands before this machine."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        region_name=SIGNING_REGION,
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            retries={"total_max_attempts": 1},
            connect_timeout=CALL_SECONDS_MAX,
            read_timeout=read_seconds_max,
            request_checksum_calculation="when_required",
        ),
    )


def answers(server: LabServer, keys: Keys) -> bool:
    """Whether the server gives its bucket to who has the lab's keys: it is up, and it is ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = client_of(server, keys)
    try:
        client.head_bucket(Bucket=server.bucket)
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
