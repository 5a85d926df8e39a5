"""Makes what a region names where it is missing: a bucket, or a directory."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from imgrepl.clock import Clock
from imgrepl.errors import Conflict
from imgrepl.model.region import Endpoint
from imgrepl.store.credentials import S3Clients
from imgrepl.store.s3_errors import Request, translated

_THERE_ALREADY = {"BucketAlreadyOwnedByYou"}


def create_bucket(endpoint: Endpoint, *, clients: S3Clients, clock: Clock) -> None:
    """Makes the bucket (or directory) of `endpoint.url`; one that is ours already is left as it is.

    Raises `Conflict` (`BucketTaken`) for a bucket of somebody else, `NotAllowed`, `Unavailable`.
    """
    parts = urlsplit(endpoint.url)
    if parts.scheme == "file":
        Path(unquote(parts.path)).mkdir(parents=True, exist_ok=True)
        return
    client = clients.client_of(endpoint)
    request = Request(
        verb="CreateBucket",
        url=endpoint.url,
        server=endpoint.endpoint_url or "AWS",
        bucket=parts.netloc,
    )
    try:
        client.create_bucket(Bucket=parts.netloc)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _THERE_ALREADY:
            return
        if code == "BucketAlreadyExists":
            raise Conflict(
                f"bucket {parts.netloc} exists at {endpoint.endpoint_url or 'AWS'} and belongs to"
                " somebody else",
                code="BucketTaken",
                target=endpoint.url,
            ) from error
        raise translated(error, request, clock.now()) from error
    except BotoCoreError as error:
        raise translated(error, request, clock.now()) from error
