"""Log lines: UTC on stderr, libraries only when they warn."""

import logging
import re
from collections.abc import Iterator

import pytest

from imgrepl.logs import configure


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_the_time_in_utc_and_goes_to_what_stderr_is_now(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info")
    logging.getLogger("imgrepl.engine").info("packed %d", 3)

    err = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO imgrepl\.engine: packed 3\n", err
    )


@pytest.mark.parametrize(("level", "told"), [("info", False), ("debug", True)])
def test_libraries_tell_more_than_warnings_only_when_debugging(
    capsys: pytest.CaptureFixture[str], level: str, told: bool
) -> None:
    configure(level)
    logging.getLogger("botocore.endpoint").info("a request")

    assert ("a request" in capsys.readouterr().err) is told
