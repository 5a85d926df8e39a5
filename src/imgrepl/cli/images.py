"""`imgrepl image`: a disk image, before it is published."""

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column, Grid
from imgrepl.cli.fact_page import fact_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import ReadingOptions, options
from imgrepl.cli.plain import plain
from imgrepl.cli.run import Injected
from imgrepl.errors import Invalid

app = noun("image")

_PROBLEM_COLUMNS = (
    Column("Verdict", "severity"),
    Column("Rule", "rule"),
    Column("Problem", "message"),
)
PAGE = fact_page(
    {
        "Format": "format",
        "Kind": "subformat",
        "Provisioned": "provisionedBytes",
        "Occupied": "occupiedBytes",
        "File": "fileBytes",
        "Holes": "holes",
        "Parent": "parent",
        "SHA-256": "sha256",
    },
    ("problems", Grid((), _PROBLEM_COLUMNS, "Problems")),
)


@app.command
def inspect(
    file: Annotated[str, Parameter(help="A file, block device or s3://BUCKET/KEY.")],
    /,
    *,
    parent: Annotated[
        tuple[str, ...],
        options("--parent", text="Files that may serve as parents.", metavar="FILE"),
    ] = (),
    reading: ReadingOptions | None = None,
    run: Injected,
) -> Answer:
    """Say what an image is: format, sizes, occupied bytes, holes, and what is wrong with it.

    For example:

        imgrepl image inspect debian.vhdx --sha256

    Exit codes: 0 a gallery would take it; 3 no such file; 5 a gallery would refuse it, problems
    on stdout.
    """
    from imgrepl.actions import images
    from imgrepl.assembly.bounds import limits_of
    from imgrepl.assembly.stores import source_opener
    from imgrepl.disks.options import OpenOptions

    how = reading or ReadingOptions()
    with run.interrupts.cooperative() as stop, run.events() as events:
        found = images.inspect(
            source_opener(run.settings, stop),
            limits_of(run.settings),
            events,
            file,
            parents=parent,
            sha256=how.sha256,
            options=OpenOptions(
                ignore_checksum=how.ignore_checksum, size_from_geometry=how.size_from_geometry
            ),
        )
    report = plain(found)
    return Answer(report, error=_refusal(file, report), page=PAGE)


def _refusal(file: str, report: Mapping[str, Any]) -> Invalid | None:
    refused = [entry for entry in report["problems"] if entry["severity"] == "refused"]
    if not refused:
        return None
    return Invalid(
        f"a gallery would refuse {file}: {refused[0]['message']}",
        code=refused[0]["rule"],
        target=file,
        details=[f"{entry['rule']}: {entry['message']}" for entry in refused[1:]],
        hint="what is wrong stands in the result's problems, each with its way out",
    )
