"""`imgrepl cost`: what a month costs."""

from pathlib import Path
from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.cost_page import cost_page
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import GroupOptions, option
from imgrepl.cli.run import Injected
from imgrepl.model.gallery import GalleryId

app = lone_command("cost")


@app.default
def cost(
    *,
    gallery: Annotated[
        str | None, option("--gallery-name", "-r", text="Of this gallery only.", metavar="GALLERY")
    ] = None,
    month: Annotated[
        str | None, option("--month", text="Of this month, not the current one.", metavar="YYYY-MM")
    ] = None,
    prices: Annotated[
        Path | None,
        option("--prices", text="By this price list, a TOML file.", metavar="FILE"),
    ] = None,
    options: GroupOptions | None = None,
    run: Injected,
) -> Answer:
    """Say what a month costs, by gallery, definition, version, region and month.

    Occupied bytes times replicas times the price of their storage, the first copy of a version
    into each other region, and requests, as Azure bills them. What deduplication and compression
    saved is told apart.

    For example:

        imgrepl cost -r golden --month 2026-11 --prices prices.toml

    Exit codes: 0 done; 3 no such gallery or price list; 5 the price list or the month is wrong.
    """
    from imgrepl.actions import costs
    from imgrepl.actions.pricing import Pricing
    from imgrepl.azure import cost_shapes
    from imgrepl.model.bill import Month

    where = options or GroupOptions()
    chosen = gallery and GalleryId(
        subscription=where.subscription, group=where.group, gallery=gallery
    )
    with run.open() as ctx:
        found = costs.report(
            ctx,
            chosen or None,
            month=None if month is None else Month.parse(month),
            pricing=None if prices is None else Pricing(prices),
        )
    return Answer(cost_shapes.report(found), page=cost_page)
