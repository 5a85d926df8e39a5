"""`imgrepl scrub`: prove what was proven longest ago, and mend what is damaged."""

import re
from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import option
from imgrepl.cli.plain import plain
from imgrepl.cli.run import Injected
from imgrepl.cli.scrub_page import scrub_page
from imgrepl.errors import UsageError
from imgrepl.settings import whole_number

app = lone_command("scrub")

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.default
def scrub(
    *,
    budget: Annotated[
        str | None,
        option(
            "--budget",
            text="Receive no more than this; everything is read if absent.",
            metavar="BYTES",
        ),
    ] = None,
    region: Annotated[
        str | None, option("--region", text="Only this region.", metavar="REGION")
    ] = None,
    max_duration: Annotated[
        str | None,
        option(
            "--max-duration",
            text="Begin nothing new after this time: 90s, 30m, 4h.",
            metavar="DURATION",
        ),
    ] = None,
    run: Injected,
) -> Answer:
    """Read every byte that was proven longest ago, and mend what is damaged from another place.

    The oldest proof is renewed first, and each proof is kept in the gallery index as soon as it is
    made: however a scrub ends, the next one goes on there. It is meant to run every night within a
    budget; doctor warns where it does not keep up.

    For example:

        imgrepl scrub --budget 100GiB --max-duration 4h

    Exit codes: 0 all that was read is healthy, or was mended; 3 no such region; 4 another process
    scrubs; 5 the budget is less than a pack; 6 something stays damaged; 7 a region stayed away; 130
    interrupted, the next scrub goes on.
    """
    from imgrepl.actions import scrubbing

    bytes_max = None if budget is None else _bytes(budget)
    seconds_max = None if max_duration is None else _seconds(max_duration)
    with run.open() as ctx:
        report = scrubbing.scrub(ctx, region=region, bytes_max=bytes_max, seconds_max=seconds_max)
        return Answer(plain(scrubbing.as_json(report)), error=report.error, page=scrub_page)


def _bytes(text: str) -> int:
    try:
        return whole_number(text)
    except ValueError:
        raise UsageError(
            f"--budget {text!r} is no number of bytes", target=text, hint="write 10GiB or 500MiB"
        ) from None


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--max-duration {text!r} is no time: a number with s, m, h or d",
            target=text,
            hint="write 90s, 30m or 4h",
        )
    return int(match[1]) * _SECONDS[match[2]]
