"""`imgrepl retention`: which versions to keep, and deleting the others."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import noun
from imgrepl.cli.options import BypassSoftDelete, DryRun, GalleryOptions, Yes, option, options
from imgrepl.cli.retention_page import retention_page
from imgrepl.cli.run import Injected
from imgrepl.errors import Conflict, ImgreplError, Unavailable, UsageError
from imgrepl.model.gallery import DefinitionId, GalleryId
from imgrepl.model.retention import Pin, RetentionRules

if TYPE_CHECKING:
    from imgrepl.actions.retention import RetentionReport

app = noun("retention")

_DURATION = re.compile(r"([0-9]{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_NAMED_MAX = 5


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RuleOptions(GalleryOptions):
    """Which versions are looked at, and what keeps one."""

    definition: Annotated[
        str | None,
        option(
            "--gallery-image-definition",
            "-i",
            "--image-definition",
            text="Of this image definition only; all of the gallery if absent.",
            metavar="NAME",
        ),
    ] = None
    keep_last: Annotated[
        int | None,
        option("--keep-last", text="Keep so many of the highest that succeeded.", metavar="N"),
    ] = None
    keep_newer_than: Annotated[
        str | None,
        option(
            "--keep-newer-than",
            text="Keep what was published within this time: 30d, 12h, 8w.",
            metavar="DURATION",
        ),
    ] = None
    end_of_life_grace: Annotated[
        str | None,
        option(
            "--end-of-life-grace",
            text="Keep what has an end of life until it is so long past; 0d is until then.",
            metavar="DURATION",
        ),
    ] = None
    pin: Annotated[
        tuple[str, ...],
        options("--pin", text="Keep what carries this tag, whatever its age.", metavar="K[=V]"),
    ] = ()

    @property
    def scope(self) -> GalleryId | DefinitionId:
        """What the rules are for."""
        gallery = self.gallery_id
        return gallery if self.definition is None else gallery.definition(self.definition)

    @property
    def rules(self) -> RetentionRules:
        """The rules that these options state."""
        return RetentionRules(
            keep_last=self.keep_last,
            keep_newer_than=_duration(self.keep_newer_than, "--keep-newer-than"),
            end_of_life_grace=_duration(self.end_of_life_grace, "--end-of-life-grace"),
            pins=tuple(_pin(word) for word in self.pin),
        )


def _duration(text: str | None, name: str) -> timedelta | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{name} {text!r} is no time: a number with h, d or w", hint="write 12h, 30d or 8w"
        )
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def _pin(word: str) -> Pin:
    name, equals, value = word.partition("=")
    if not name:
        raise UsageError(f"--pin {word!r} names no tag", hint="write --pin keep or --pin keep=true")
    return Pin(name, value if equals else None)


@app.command
def plan(*, options: RuleOptions, run: Injected) -> Answer:
    """Show of each version whether the rules keep it, and why. Changes nothing.

    A version goes when no rule keeps it. The latest of any region always stays, and so does what a
    tag pins, what its end of life guards and what is being published.

    For example:

        imgrepl retention plan -r golden -i debian --keep-last 3 --keep-newer-than 30d --pin keep

    Exit codes: 0 done; 3 no such gallery or definition; 5 no rule says what to keep.
    """
    from imgrepl.actions import retention
    from imgrepl.azure import retention_shapes

    with run.open() as ctx:
        report = retention.plan(ctx, options.rules, options.scope)
    return Answer(retention_shapes.retention(report), page=retention_page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ApplyOptions(RuleOptions):
    """What `retention apply` takes."""

    bypass_soft_delete: BypassSoftDelete = False
    dry_run: DryRun = False
    yes: Yes = False


@app.command
def apply(*, options: ApplyOptions, run: Injected) -> Answer:
    """Delete the versions that no rule keeps, into the bin where the gallery has one.

    Takes the rules of plan and asks. Each deletion is decided anew: what has changed since the plan
    was made, or has become the latest of a region, stays.

    For example:

        imgrepl retention apply -r golden -i debian --keep-last 3 --pin keep --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such gallery or
    definition; 4 a version was in use or had changed, the others are gone; 5 no rule says what to
    keep; 7 a home region stayed away; 130 interrupted, the same command goes on.
    """
    from imgrepl.actions import retention
    from imgrepl.azure import retention_shapes

    with run.open() as ctx:
        report = retention.plan(ctx, options.rules, options.scope)
    if options.dry_run or not report.to_delete:
        return Answer(retention_shapes.retention(report), page=retention_page)
    run.confirm(_question(report), yes=options.yes)
    with run.open() as ctx:
        done = retention.apply(
            ctx,
            options.rules,
            options.scope,
            agreed=report.to_delete,
            bypass_soft_delete=options.bypass_soft_delete,
        )
    return Answer(retention_shapes.retention(done), error=_verdict(done), page=retention_page)


def _question(report: "RetentionReport") -> str:
    names = [str(decision.version.id) for decision in report.to_delete]
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    listed = ", ".join(names[:_NAMED_MAX]) + more
    return f"Delete {len(names)} of {len(report.outcomes)} versions ({listed})?"


def _verdict(report: "RetentionReport") -> ImgreplError | None:
    errors = [outcome.error for outcome in report.refused if outcome.error is not None]
    if not errors:
        return None
    kind = Unavailable if all(isinstance(one, Unavailable) for one in errors) else Conflict
    return kind(
        f"{len(errors)} of {len(report.to_delete)} versions could not be deleted",
        code="RetentionIncomplete",
        details=[error.message for error in errors],
        hint="the same command tries them again",
    )
