"""`imgrepl invitation`: galleries that others share directly, and what one says to that."""

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import list_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import GalleryOptions
from imgrepl.cli.run import Injected

app = noun("invitation")

PAGE = list_page(
    Column("Gallery", "gallery"),
    Column("For", "consumer"),
    Column("Kind", "type", spare=1),
    Column("State", "state"),
    Column("Invited by", "invitedBy", spare=2),
    Column("Invited", "invitedAt", spare=3),
    Column("Answered by", "answeredBy", spare=4),
)


@app.command(name="list")
def list_invitations(*, run: Injected) -> Answer:
    """List what your subscription and tenant are invited to; the index's owner sees all.

    For example:

        imgrepl invitation list --principal bob,subscription=contoso

    Exit codes: 0 done.
    """
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes

    with run.open() as ctx:
        found = consuming.list_invitations(ctx)
    return Answer([sharing_shapes.invitation(*one) for one in found], page=PAGE)


@app.command
def accept(*, options: GalleryOptions, run: Injected) -> Answer:
    """Accept a gallery that is shared directly with your subscription or tenant.

    Its members may read it from then on, by the unique name that `invitation list` shows.

    For example:

        imgrepl invitation accept -r default-GOLDEN --principal bob,subscription=contoso

    Exit codes: 0 done; 3 you are not invited; 9 not allowed.
    """
    return _answer(options, run, accepted=True)


@app.command
def reject(*, options: GalleryOptions, run: Injected) -> Answer:
    """Reject a direct share, or leave one that was accepted.

    For example:

        imgrepl invitation reject -r default-GOLDEN --principal bob,subscription=contoso

    Exit codes: 0 done; 3 you are not invited; 9 not allowed.
    """
    return _answer(options, run, accepted=False)


def _answer(options: GalleryOptions, run: Injected, *, accepted: bool) -> Answer:
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes

    with run.open() as ctx:
        found = consuming.answer(ctx, options.gallery_id, accept=accepted)
    return Answer([sharing_shapes.invitation(*one) for one in found], page=PAGE)
