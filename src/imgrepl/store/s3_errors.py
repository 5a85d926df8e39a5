"""What S3 servers and the way to them can answer, as errors grouped by what a caller would do."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from imgrepl.errors import Conflict, Corrupt, ImgreplError, Invalid, NotAllowed, NotFound
from imgrepl.errors import Unavailable as _Unavailable
from imgrepl.store.refusals import bad_digest, object_changed, object_exists, object_missing

SKEW_SECONDS_MAX = 900
"""How far a client's clock may be off before S3 refuses its signatures."""

_SERVER_TEXT_MAX = 200
_FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioDiskFull"}
_FULL |= {"XMinioAdminBucketQuotaExceeded", "EntityQuotaExceeded"}
_FULL_TEXT = re.compile(r"(?i)no space left|disk quota exceeded|no (free|writable) volume")
TRANSIENT_CODES = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "ServiceUnavailable",
    "InternalError",
}
TRANSIENT_CODES |= {"TooManyRequests", "RequestTimeout", "IncompleteBody", "RequestLimitExceeded"}
TRANSIENT_CODES |= {
    "Throttling",
    "ThrottlingException",
    "OperationAborted",
    "ConditionalRequestConflict",
}
_OVERLOADED = {"SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "RequestTimeout"}
_OVERLOADED |= {"RequestLimitExceeded", "Throttling", "ThrottlingException"}
_BAD_DIGEST = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"}
_BAD_DIGEST |= {"XAmzContentSHA256Mismatch"}
_ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
_NO_SUCH_ACCOUNT = {"InvalidAccessKeyId", "XAdminUserNotFound"}
"""versitygw says the latter, and says it with a 404."""


@dataclass(frozen=True)
class Request:
    """What was asked, for messages: `verb` as HTTP has it, the place's URL, the server.

    `source` is where a copy comes from.
    """

    verb: str
    url: str
    server: str
    bucket: str
    key: str = ""
    if_absent: bool = False
    if_match: bool = False
    source: str = ""

    def __str__(self) -> str:
        origin = f" from {self.source}" if self.source else ""
        return f"{self.verb} {self.key or '(place)'} in {self.url}{origin} at {self.server}"


@dataclass(frozen=True)
class _Answer:
    status: int
    code: str
    text: str
    fields: Mapping[str, Any]
    headers: Mapping[str, str]

    def __str__(self) -> str:
        text = f": {self.text}" if self.text else ""
        return f"HTTP {self.status} {self.code if self.code != str(self.status) else ''}{text}"


def translated(error: Exception, request: Request, now: datetime) -> ImgreplError:
    """The error of ours for one that botocore raised.

    `now` is the wall clock at the answer: against the server's Date it tells a skewed clock.
    """
    if isinstance(error, boto.ClientError):
        return _of_answer(_answer_of(error), request, now)
    return _of_transport(error, request)


def _answer_of(error: boto.ClientError) -> _Answer:
    fields = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    return _Answer(
        status=int(metadata.get("HTTPStatusCode", 0)),
        code=str(fields.get("Code", "")),
        text=str(fields.get("Message", ""))[:_SERVER_TEXT_MAX],
        fields=fields,
        headers=metadata.get("HTTPHeaders", {}),
    )


def _of_answer(answer: _Answer, request: Request, now: datetime) -> ImgreplError:
    by_code = _by_code(answer, request, now)
    if by_code is not None:
        return by_code
    react = _BY_STATUS.get(answer.status)
    if react is not None:
        return react(answer, request, now)
    if answer.status >= 500:
        return _busy(answer, request, now)
    return _refused(answer, request)


def _by_code(answer: _Answer, request: Request, now: datetime) -> ImgreplError | None:
    """What the code alone decides, whatever status a server sends it under."""
    if answer.code in _FULL or answer.status == 507 or _FULL_TEXT.search(answer.text):
        return _full(answer, request)
    if answer.code in TRANSIENT_CODES:
        return _busy(answer, request, now)
    if answer.code in _BAD_DIGEST:
        return bad_digest(request.key, f"was refused ({request}: {answer})")
    if answer.code in _SKEWED:
        return _skewed(answer, request, now)
    if answer.code in _ELSEWHERE or answer.status in (301, 302, 307) or _names_region(answer):
        return _elsewhere(answer, request)
    if answer.code in _NO_SUCH_ACCOUNT:
        return _not_allowed(answer, request, now)
    if answer.code == "InvalidObjectState":
        return _archived(answer, request)
    return None


def _missing(answer: _Answer, request: Request, _now: datetime) -> ImgreplError:
    if answer.code == "NoSuchBucket":
        return NotFound(
            f"{request}: there is no bucket {request.bucket}",
            code="BucketMissing",
            target=request.bucket,
            hint="create the bucket, or correct the region's URL and endpoint",
        )
    if request.if_match:
        return object_changed(request.key, request.url)
    if request.source:
        return NotFound(
            f"there is no {request.source} to copy", code="ObjectNotFound", target=request.source
        )
    return object_missing(request.key, request.url)


def _condition_failed(answer: _Answer, request: Request, _now: datetime) -> ImgreplError:
    if request.if_absent:
        return object_exists(request.key, request.url)
    if request.if_match:
        return object_changed(request.key, request.url)
    return Conflict(f"{request}: {answer}", target=request.key)


def _not_allowed(answer: _Answer, request: Request, now: datetime) -> ImgreplError:
    if abs(_ahead_seconds(answer, now) or 0) > SKEW_SECONDS_MAX:
        return _skewed(answer, request, now)
    if answer.code == "AccessDenied":
        return NotAllowed(
            f"{request}: {answer}",
            code="AccessDenied",
            target=request.bucket,
            hint=f"grant these credentials read, write, list and delete on {request.bucket}; some "
            "servers answer so for a missing bucket or key, too",
        )
    return NotAllowed(
        f"{request}: {answer}",
        code="CredentialsRefused",
        target=request.bucket,
        hint="check the region's credentials with this server: wrong, expired, or of another one",
    )


def _skewed(answer: _Answer, request: Request, now: datetime) -> ImgreplError:
    ahead = _ahead_seconds(answer, now)
    how_far = "" if ahead is None else f" by {abs(ahead):.0f} s: it is {_side(ahead)}"
    return NotAllowed(
        f"{request}: this machine's clock differs from the server's{how_far}; at most "
        f"{SKEW_SECONDS_MAX} s are taken",
        code="ClockSkewed",
        target=request.server,
        hint="set the clock, best by NTP, and run the command again",
    )


def _side(ahead_seconds: float) -> str:
    return "ahead" if ahead_seconds > 0 else "behind"


def _ahead_seconds(answer: _Answer, now: datetime) -> float | None:
    """Seconds by which this machine is ahead of the server; None where the server gave no time."""
    then = _http_date(answer.headers.get("date", ""))
    return None if then is None else (now - then).total_seconds()


def _busy(answer: _Answer, request: Request, now: datetime) -> ImgreplError:
    return _Unavailable(
        f"{request}: {answer}",
        code="ServerBusy" if _asks_for_less(answer) else "ServerFailed",
        target=request.server,
        retry_after_seconds=_retry_after_seconds(answer.headers, now),
    )


def _asks_for_less(answer: _Answer) -> bool:
    return answer.status in (429, 503) or answer.code in _OVERLOADED


def _retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    then = _http_date(text)
    return None if then is None else max(0.0, (then - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _full(answer: _Answer, request: Request) -> ImgreplError:
    return _Unavailable(
        f"{request}: the place is full ({answer})",
        code="PlaceFull",
        target=request.bucket,
        hint="free or add space or raise the quota, then run the command again: it goes on from "
        "where it stopped",
    )


def _elsewhere(answer: _Answer, request: Request) -> ImgreplError:
    region = answer.fields.get("Region") or answer.headers.get("x-amz-bucket-region")
    belongs = f" belongs to signing region {region}" if region else " is served elsewhere"
    return Invalid(
        f"{request}: bucket {request.bucket}{belongs} ({answer})",
        code="WrongSigningRegion",
        target=request.bucket,
        hint=f"set the region's signing region to {region or 'the one the bucket is in'}",
    )


def _names_region(answer: _Answer) -> bool:
    """A HEAD that was signed for the wrong region gets 400, no body and this header."""
    return answer.status == 400 and "x-amz-bucket-region" in answer.headers


def _archived(answer: _Answer, request: Request) -> ImgreplError:
    return Invalid(
        f"{request}: the object is archived and must be restored before it can be read ({answer})",
        code="ObjectArchived",
        target=request.key,
        hint="restore it and take the bucket's archiving rule away from this prefix",
    )


def _not_supported(answer: _Answer, request: Request, _now: datetime) -> ImgreplError:
    return Invalid(
        f"{request}: the server cannot do this ({answer})",
        code="CopyNotSupported" if request.source else "NotSupported",
        target=request.server,
        hint="`region check` tells what a server can do",
    )


def _refused(answer: _Answer, request: Request) -> ImgreplError:
    return Invalid(f"{request}: {answer}", code="RequestRefused", target=request.key or None)


_BY_STATUS: Mapping[int, Callable[[_Answer, Request, datetime], ImgreplError]] = {
    401: _not_allowed,
    403: _not_allowed,
    404: _missing,
    405: _not_supported,
    408: _busy,
    409: _condition_failed,
    412: _condition_failed,
    425: _busy,
    429: _busy,
    501: _not_supported,
}


def _of_transport(error: Exception, request: Request) -> ImgreplError:
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Invalid(
            f"{request}: the server's certificate is not trusted",
            code="CertificateRefused",
            target=request.server,
            hint="give the region the file of the authority that signed it (--ca-file)",
        )
    if isinstance(error, _NO_CREDENTIALS):
        return NotAllowed(
            f"{request}: no credentials were found ({error})",
            code="CredentialsMissing",
            target=request.server,
            hint="name a profile, a credentials file or an environment prefix for the region",
        )
    for kind, code, what in _TRANSPORT:
        if isinstance(error, kind):
            return _Unavailable(
                f"{request}: {what}",
                code=code,
                target=request.server,
                hint="look whether the server runs and the region's endpoint is right;"
                " `imgrepl region check` tries it",
            )
    if isinstance(error, boto.ChecksumError | boto.FlexibleChecksumError):
        return Corrupt(f"{request}: {error}", code="BadDigest", target=request.key)
    return Invalid(f"{request}: {error}", code="RequestRefused", target=request.key or None)


_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
    boto.SSOTokenLoadError,
)
_TRANSPORT: tuple[tuple[type[Exception], str, str], ...] = (
    (boto.ConnectTimeoutError, "EndpointUnreachable", "the server did not take the connection"),
    (boto.ReadTimeoutError, "EndpointTimeout", "the server fell silent"),
    (boto.EndpointConnectionError, "EndpointUnreachable", "no server answers at this address"),
    (boto.ProxyConnectionError, "EndpointUnreachable", "the proxy did not answer"),
    (boto.ConnectionClosedError, "ConnectionLost", "the server closed the connection"),
    (boto.IncompleteReadError, "ConnectionLost", "the body ended early"),
    (boto.ResponseStreamingError, "ConnectionLost", "the connection broke while reading"),
    (boto.ConnectionError, "ConnectionLost", "the connection failed"),
    (boto.HTTPClientError, "ConnectionLost", "the connection failed"),
    (ResponseParserError, "ConnectionLost", "the answer is cut short or no S3 server's"),
)
