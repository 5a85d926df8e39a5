"""`imgrepl usage`: what is provisioned, occupied, billed and stored."""

from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import GroupOptions, option
from imgrepl.cli.run import Injected
from imgrepl.cli.usage_page import usage_page
from imgrepl.model.gallery import GalleryId

app = lone_command("usage")


@app.default
def usage(
    *,
    gallery: Annotated[
        str | None, option("--gallery-name", "-r", text="Of this gallery only.", metavar="GALLERY")
    ] = None,
    options: GroupOptions | None = None,
    run: Injected,
) -> Answer:
    """Say how many bytes are used, by gallery, definition, version and region.

    Provisioned is what guests see, occupied what is not zero, billed is occupied times replicas,
    stored is what the buckets hold after deduplication and compression. Beside it stands how much
    of each limit is used and left, by subscription and region.

    For example:

        imgrepl usage -r golden --query "total.storedBytes"

    Exit codes: 0 done; 3 no such gallery.
    """
    from imgrepl.actions import usage as reporting
    from imgrepl.azure import shapes

    where = options or GroupOptions()
    chosen = gallery and GalleryId(
        subscription=where.subscription, group=where.group, gallery=gallery
    )
    with run.open() as ctx:
        return Answer(shapes.usage(reporting.report(ctx, chosen or None)), page=usage_page)
