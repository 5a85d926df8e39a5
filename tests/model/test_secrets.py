"""What people may see holds no password, no token and nothing that signs a request."""

import pytest

from imgrepl.model.secrets import without_secrets

SECRET = "hunter2/+=="


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://user:{SECRET}@host/index",
        f"postgresql+psycopg://user@host/index?password={SECRET}&connect_timeout=3",
        f"mysql://user:p@{SECRET}@host/index",
        f"s3://KEY:{SECRET}@bucket/prefix",
        f"https://host/disk.vhd?X-Amz-Credential=AK&X-Amz-Signature={SECRET}&X-Amz-Date=1",
        f"headers={{'X-Amz-Security-Token': b'{SECRET}', 'Host': b'h'}}",
        f"b'AWS4-HMAC-SHA256 Credential=AK/us, SignedHeaders=host, Signature={SECRET}'",
        f"Signature:\n{SECRET}",
        f"host:h\nx-amz-security-token:{SECRET}\n\nhost",
        f'{{"secret_access_key": "{SECRET}", "session_token": "{SECRET}"}}',
    ],
)
def test_what_is_secret_is_left_out(text: str) -> None:
    shown = without_secrets(text)
    assert "hunter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me/index.db",
        "postgresql+psycopg://user@host:5432/index",
        "s3://bucket/prefix@2/a:b",
        "golden/debian/1.0.0 was published; the token of its lease is old",
        "error at 12:30: no signature here",
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert without_secrets(text) == text
