"""The URL of another index is kept by operations: one with a password in it is refused."""

import pytest

from imgrepl.assembly import peers
from imgrepl.errors import Invalid


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:hunter2@host/index",
        "postgresql+psycopg://user@host/index?password=hunter2",
        "postgresql+psycopg://user@host/index?connect_timeout=3&sslpassword=hunter2",
    ],
)
def test_a_password_anywhere_in_the_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        peers.refuse_password(url)
    assert caught.value.code == "PasswordInUrl"
    assert "hunter2" not in f"{caught.value.message} {caught.value.target} {caught.value.hint}"


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://user@host/index?sslmode=require", "sqlite:////home/me/password.db"],
)
def test_a_url_without_a_password_is_taken(url: str) -> None:
    peers.refuse_password(url)
