"""What a server answers becomes an error that says how to react; no secret gets into it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore import exceptions as boto

from imgrepl.errors import (
    Conflict,
    Corrupt,
    ImgreplError,
    Invalid,
    NotAllowed,
    NotFound,
    Unavailable,
)
from imgrepl.store.s3_errors import Request, translated

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PUT = Request("PUT", "s3://golden/eastus/r0", "http://s3.example", "golden", "packs/ab/k.0")


def _answer(
    status: int,
    code: str = "",
    *,
    text: str = "",
    headers: dict[str, str] | None = None,
    **more: str,
) -> boto.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": text, **more},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return boto.ClientError(response, "PutObject")


def _error(error: Exception, request: Request = PUT) -> ImgreplError:
    return translated(error, request, NOW)


@pytest.mark.parametrize(
    ("status", "server_code", "kind", "code"),
    [
        (404, "NoSuchKey", NotFound, "ObjectNotFound"),
        (404, "404", NotFound, "ObjectNotFound"),
        (404, "NoSuchBucket", NotFound, "BucketMissing"),
        (404, "XAdminUserNotFound", NotAllowed, "CredentialsRefused"),
        (403, "AccessDenied", NotAllowed, "AccessDenied"),
        (403, "InvalidAccessKeyId", NotAllowed, "CredentialsRefused"),
        (403, "SignatureDoesNotMatch", NotAllowed, "CredentialsRefused"),
        (403, "403", NotAllowed, "CredentialsRefused"),
        (401, "Unauthorized", NotAllowed, "CredentialsRefused"),
        (403, "RequestTimeTooSkewed", NotAllowed, "ClockSkewed"),
        (429, "TooManyRequests", Unavailable, "ServerBusy"),
        (429, "", Unavailable, "ServerBusy"),
        (503, "SlowDown", Unavailable, "ServerBusy"),
        (503, "XMinioServerNotInitialized", Unavailable, "ServerBusy"),
        (500, "InternalError", Unavailable, "ServerFailed"),
        (502, "", Unavailable, "ServerFailed"),
        (504, "", Unavailable, "ServerFailed"),
        (400, "RequestTimeout", Unavailable, "ServerBusy"),
        (400, "IncompleteBody", Unavailable, "ServerFailed"),
        (409, "ConditionalRequestConflict", Unavailable, "ServerFailed"),
        (409, "OperationAborted", Unavailable, "ServerFailed"),
        (507, "", Unavailable, "PlaceFull"),
        (507, "XMinioStorageFull", Unavailable, "PlaceFull"),
        (403, "QuotaExceeded", Unavailable, "PlaceFull"),
        (400, "XMinioAdminBucketQuotaExceeded", Unavailable, "PlaceFull"),
        (400, "BadDigest", Corrupt, "BadDigest"),
        (400, "XAmzContentChecksumMismatch", Corrupt, "BadDigest"),
        (400, "InvalidRequest", Invalid, "RequestRefused"),
        (400, "EntityTooLarge", Invalid, "RequestRefused"),
        (405, "MethodNotAllowed", Invalid, "NotSupported"),
        (501, "NotImplemented", Invalid, "NotSupported"),
        (301, "PermanentRedirect", Invalid, "WrongSigningRegion"),
        (400, "AuthorizationHeaderMalformed", Invalid, "WrongSigningRegion"),
        (403, "InvalidObjectState", Invalid, "ObjectArchived"),
    ],
)
def test_answers_become_errors_by_what_to_do_about_them(
    status: int, server_code: str, kind: type[ImgreplError], code: str
) -> None:
    error = _error(_answer(status, server_code))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize("text", ["write: no space left on device", "No free volumes left!"])
def test_a_full_disk_is_known_by_its_words_under_a_500(text: str) -> None:
    assert _error(_answer(500, "InternalError", text=text)).code == "PlaceFull"


@pytest.mark.parametrize("status", [409, 412])
def test_a_failed_condition_is_named_by_what_was_asked(status: int) -> None:
    absent = Request("PUT", "u", "s", "b", "k", if_absent=True)
    match = Request("PUT", "u", "s", "b", "k", if_match=True)
    assert _error(_answer(status, "PreconditionFailed"), absent).code == "ObjectExists"
    assert _error(_answer(status, "PreconditionFailed"), match).code == "ObjectChanged"
    assert isinstance(_error(_answer(status, "BucketNotEmpty")), Conflict)


def test_a_swap_of_what_is_gone_is_a_conflict() -> None:
    match = Request("PUT", "u", "s", "b", "k", if_match=True)
    assert _error(_answer(404, "NoSuchKey"), match).code == "ObjectChanged"
    assert _error(_answer(404, "NoSuchBucket"), match).code == "BucketMissing"


def test_a_copy_that_a_server_cannot_do_says_so() -> None:
    copy = Request("COPY", "u", "s", "b", "k", source="s3://other/k")
    assert _error(_answer(501, "NotImplemented"), copy).code == "CopyNotSupported"
    missing = _error(_answer(404, "NoSuchKey"), copy)
    assert missing.code == "ObjectNotFound"
    assert "s3://other/k" in missing.message


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("", None),
        ("soon", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
    ],
)
def test_the_servers_wish_for_patience_is_read(header: str, seconds: float | None) -> None:
    error = _error(_answer(503, "SlowDown", headers={"retry-after": header}))
    assert isinstance(error, Unavailable)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(("off_seconds", "side"), [(3600, "behind"), (-7200, "ahead")])
def test_a_skewed_clock_is_told_with_how_far_it_is_off(off_seconds: int, side: str) -> None:
    date = format_datetime(NOW + timedelta(seconds=off_seconds), usegmt=True)
    for server_code in ("RequestTimeTooSkewed", "403", "AccessDenied"):
        error = _error(_answer(403, server_code, headers={"date": date}))
        assert error.code == "ClockSkewed"
        assert f"by {abs(off_seconds)} s" in error.message
        assert side in error.message


def test_a_clock_that_is_little_off_is_not_blamed() -> None:
    date = format_datetime(NOW + timedelta(seconds=800), usegmt=True)
    assert _error(_answer(403, "AccessDenied", headers={"date": date})).code == "AccessDenied"


def test_the_signing_region_that_would_be_right_is_named() -> None:
    error = _error(_answer(400, "AuthorizationHeaderMalformed", Region="eu-central-1"))
    assert "eu-central-1" in f"{error.hint}"
    error = _error(_answer(301, "", headers={"x-amz-bucket-region": "eu-west-3"}))
    assert "eu-west-3" in f"{error.hint}"


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (boto.EndpointConnectionError(endpoint_url="x"), Unavailable, "EndpointUnreachable"),
        (boto.ConnectTimeoutError(endpoint_url="x"), Unavailable, "EndpointUnreachable"),
        (boto.ReadTimeoutError(endpoint_url="x"), Unavailable, "EndpointTimeout"),
        (boto.ConnectionClosedError(endpoint_url="x"), Unavailable, "ConnectionLost"),
        (boto.ResponseStreamingError(error="x"), Unavailable, "ConnectionLost"),
        (boto.HTTPClientError(error="x"), Unavailable, "ConnectionLost"),
        (boto.ProxyConnectionError(proxy_url="x"), Unavailable, "EndpointUnreachable"),
        (
            boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
            Unavailable,
            "ConnectionLost",
        ),
        (
            boto.SSLError(endpoint_url="x", error=OSError("EOF occurred")),
            Unavailable,
            "ConnectionLost",
        ),
        (
            boto.SSLError(endpoint_url="x", error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED]")),
            Invalid,
            "CertificateRefused",
        ),
        (boto.NoCredentialsError(), NotAllowed, "CredentialsMissing"),
        (
            boto.PartialCredentialsError(provider="env", cred_var="x"),
            NotAllowed,
            "CredentialsMissing",
        ),
        (boto.ParamValidationError(report="x"), Invalid, "RequestRefused"),
    ],
)
def test_failures_on_the_way_become_errors_too(
    raised: Exception, kind: type[ImgreplError], code: str
) -> None:
    error = _error(raised)
    assert (type(error), error.code) == (kind, code)


def test_messages_name_verb_key_place_and_server() -> None:
    for raised in (_answer(503, "SlowDown"), boto.ReadTimeoutError(endpoint_url="x")):
        message = _error(raised).message
        for part in ("PUT", "packs/ab/k.0", "s3://golden/eastus/r0", "http://s3.example"):
            assert part in message


def test_fields_of_an_answer_that_may_hold_secrets_are_not_shown() -> None:
    raised = _answer(
        403, "SignatureDoesNotMatch", StringToSign="AWS4-secret-scope", AWSAccessKeyId="AKIDSECRET"
    )
    error = _error(raised)
    assert "secret" not in f"{error.message} {error.hint}".lower()


def test_an_endless_text_of_a_server_is_cut() -> None:
    assert len(_error(_answer(400, "InvalidRequest", text="x" * 10_000)).message) < 500
