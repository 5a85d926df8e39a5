"""`imgrepl image-version`: wait, status and retry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.options import DryRun, VersionOptions, VersionOrLatestOptions, option
from imgrepl.cli.output import compiled_query
from imgrepl.cli.run import Injected
from imgrepl.cli.verdicts import verdict_of
from imgrepl.cli.version_options import WaitForText, WaitOptions
from imgrepl.cli.version_page import status_page, version_page
from imgrepl.errors import Interrupted, Unavailable, UsageError
from imgrepl.model.gallery import VersionId
from imgrepl.model.waiting import WaitFor

if TYPE_CHECKING:
    from imgrepl.actions.context import Context
    from imgrepl.actions.version_requests import VersionView

_WATCH_SECONDS = 2.0

Region = Annotated[str | None, option("--region", text="Only this region.", metavar="REGION")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WaitCommandOptions(VersionOptions):
    """What `image-version wait` takes."""

    wait_for: WaitForText = "all"
    timeout_seconds: Annotated[
        float, option("--timeout", text="Give up after so many seconds.", metavar="SECONDS")
    ] = 3600.0
    interval_seconds: Annotated[
        float, option("--interval", text="Look again after so many seconds.", metavar="SECONDS")
    ] = 0.5
    created: Annotated[
        bool, option("--created", "--updated", text="As az: until every region is complete.")
    ] = False
    exists: Annotated[bool, option("--exists", text="As az: until it is there.")] = False
    deleted: Annotated[bool, option("--deleted", text="As az: until it is gone.")] = False
    custom: Annotated[
        str | None,
        option("--custom", text="As az: until this holds of its JSON.", metavar="JMESPATH"),
    ] = None

    def check(self) -> None:
        """Raises `UsageError` for two that are waited for."""
        said = [self.created, self.exists, self.deleted, self.custom, self.wait_for != "all"]
        if sum(map(bool, said)) > 1:
            raise UsageError(
                "wait for one of --wait-for, --created, --exists, --deleted and --custom"
            )


def wait(*, options: WaitCommandOptions, run: Injected) -> Answer:
    """Wait until a version is usable, everywhere, in any region, or in one; or until it is gone.

    --custom waits until a JMESPath of what `show` prints is neither false, null nor empty, as
    "provisioningState=='Succeeded'"; what failed meanwhile ends it as well.

    For example:

        imgrepl image-version wait -r golden -i debian -e 1.0.0 --wait-for region=eastus

    Exit codes: 0 reached; 3 no such version; 7 not reached in time, or every region failed; 8
    some regions are complete and some failed; 130 interrupted.
    """
    from imgrepl.actions import waiting
    from imgrepl.azure import shapes

    options.check()
    with run.open() as ctx:
        version, pace = options.version_id, (options.timeout_seconds, options.interval_seconds)
        if options.deleted:
            waiting.until_gone(ctx, version, *pace)
            return Answer({"name": options.version, "deleted": True})
        if options.custom is not None:
            holds = _condition(options.custom)
            view = waiting.until_it_holds(ctx, version, holds, *pace)
            error = None if holds(view) else verdict_of(view.replicas) or _failed(view)
            return Answer(shapes.version(view), error=error, page=version_page)
        if options.exists:
            view = waiting.until_there(ctx, version, *pace)
        else:
            view = waiting.wait(ctx, version, WaitFor.parse(options.wait_for), *pace)
    return Answer(shapes.version(view), error=verdict_of(view.replicas), page=version_page)


def _condition(expression: str) -> Callable[["VersionView"], bool]:
    """Whether a JMESPath holds of a version's JSON. Raises `UsageError` (`InvalidQuery`)."""
    from imgrepl.azure import shapes

    search = compiled_query(expression, "--custom")
    return lambda view: bool(search(shapes.version(view)))


def _failed(view: "VersionView") -> Unavailable:
    return Unavailable(
        f"{view.version.id} failed before what was waited for",
        code="OperationFailed",
        target=str(view.version.id),
        hint="`imgrepl operation list` says why; the same command goes on with it",
    )


def status(
    *,
    options: VersionOrLatestOptions,
    watch: Annotated[bool, option("--watch", text="Again at every change until it ends.")] = False,
    run: Injected,
) -> Answer:
    """Show how far a version's replicas are, region by region.

    For example:

        imgrepl image-version status -r golden -i debian -e 1.0.0 --watch

    Exit codes: 0 shown, whatever the state is; 3 no such version; 130 interrupted.
    """
    from imgrepl.actions import versions
    from imgrepl.azure import shapes

    with run.open() as ctx:
        version = options.found(ctx)
        shown = _status(shapes.version(versions.status(ctx, version)))
        while watch and _goes_on(shown):
            run.emit(Answer(shown, page=status_page))
            shown = _next_status(ctx, version, shown, run.interrupts.stop)
    return Answer(shown, page=status_page)


def _status(version: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": version["name"],
        "provisioningState": version["provisioningState"],
        "replicationStatus": version["replicationStatus"],
        "replicas": version["imgrepl"]["replicas"],
    }


def _goes_on(status: Mapping[str, Any]) -> bool:
    return status["provisioningState"] in {"Creating", "Updating"} or (
        status["replicationStatus"]["aggregatedState"] == "InProgress"
    )


def _next_status(
    ctx: "Context", version: VersionId, last: dict[str, Any], stop: Event
) -> dict[str, Any]:
    """The first status that differs from `last`. Raises `Interrupted` once `stop` is set."""
    from imgrepl.actions import versions
    from imgrepl.azure import shapes

    while True:
        if stop.wait(_WATCH_SECONDS):
            raise Interrupted("stopped watching; the work itself goes on")
        status = _status(shapes.version(versions.status(ctx, version)))
        if status != last:
            return status


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RetryOptions(WaitOptions, VersionOptions):
    """What `image-version retry` takes."""

    region: Region = None
    dry_run: DryRun = False
    all_at_once: Annotated[
        bool, option("--all-at-once", text="Forget the phases of the roll-out that stopped.")
    ] = False


def retry(*, options: RetryOptions, run: Injected) -> Answer:
    """Go on with a version's replication where it failed or was interrupted.

    What is durable is not sent again. A roll-out in phases goes on in them.

    For example:

        imgrepl image-version retry -r golden -i debian -e 1.0.0 --region westeurope

    Exit codes: 0 done; 3 no such version or region; 4 it was never committed, or is at work; 7 an
    endpoint stayed away; 8 some regions are complete and some are not; 130 interrupted.
    """
    from imgrepl.actions import following
    from imgrepl.azure import shapes

    with run.open() as ctx:
        view = following.retry(
            ctx,
            options.version_id,
            region=options.region,
            wait=options.milestone,
            dry_run=options.dry_run,
            all_at_once=options.all_at_once,
        )
    error = None if options.dry_run else verdict_of(view.replicas)
    return Answer(shapes.version(view), error=error, page=version_page)
