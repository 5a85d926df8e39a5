"""Deletes the versions that no rule keeps: a plan first, then what of it still holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.actions import allowing, version_deleting
from imgrepl.actions.context import Context
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict, ImgreplError, Interrupted
from imgrepl.gallery import candidates, definitions, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import latest, retention
from imgrepl.model.gallery import DefinitionId, GalleryId, ImageVersion, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.retention import Decision, RetentionRules, Standing


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a decision: `kept`, `deleted`, `softDeleted`, or `refused` with its error.

    None while it is only planned.
    """

    decision: Decision
    done: str | None = None
    error: ImgreplError | None = None

    @property
    def id(self) -> VersionId:
        """The version that was decided on."""
        return self.decision.version.id


@dataclass(frozen=True, kw_only=True)
class RetentionReport:
    """Every version of the definitions asked for, newest first in each."""

    rules: RetentionRules
    outcomes: tuple[Outcome, ...]

    @property
    def to_delete(self) -> tuple[Decision, ...]:
        """What no rule keeps."""
        return tuple(one.decision for one in self.outcomes if not one.decision.keep)

    @property
    def refused(self) -> tuple[Outcome, ...]:
        """What was to be deleted and could not be."""
        return tuple(one for one in self.outcomes if one.error is not None)


def plan(ctx: Context, rules: RetentionRules, scope: GalleryId | DefinitionId) -> RetentionReport:
    """What the rules mean for one definition, or for each of a gallery; changes nothing.

    Raises `NotFound`, and `Invalid` (`NoRetentionRule`, `OutOfRange`).
    """
    allowing.check(ctx, Action.VERSION_READ, scope)
    rules.check()
    return RetentionReport(
        rules=rules,
        outcomes=tuple(
            Outcome(decision=decision)
            for definition in _definitions(ctx, scope)
            for decision in _decide(ctx, rules, definition)
        ),
    )


def apply(
    ctx: Context,
    rules: RetentionRules,
    scope: GalleryId | DefinitionId,
    *,
    agreed: Iterable[Decision],
    bypass_soft_delete: bool = False,
) -> RetentionReport:
    """Deletes what of `agreed` the rules do not keep now either, and says what became of each.

    It decides anew; what was not agreed to, or has changed since, stays. That a version is not the
    latest of any region is asked once more in the transaction that deletes it. A deletion that is
    refused stops no other. Raises as `plan`, and `Interrupted`.
    """
    allowing.check(ctx, Action.VERSION_DELETE, scope)
    seen = {one.version.id: one.etag for one in agreed if not one.keep}
    fresh = plan(ctx, rules, scope)
    outcomes = [
        _apply(ctx, one.decision, seen.get(one.id), bypass_soft_delete=bypass_soft_delete)
        for one in fresh.outcomes
    ]
    return RetentionReport(rules=rules, outcomes=tuple(outcomes))


def _definitions(ctx: Context, scope: GalleryId | DefinitionId) -> Sequence[DefinitionId]:
    if isinstance(scope, DefinitionId):
        return [scope]
    with ctx.index.read() as tx:
        return [definition.id for definition in definitions.list_all(tx, gallery=scope)]


def _decide(ctx: Context, rules: RetentionRules, definition: DefinitionId) -> tuple[Decision, ...]:
    with ctx.index.read() as tx:
        completed = replicas.completed_regions(tx, definition)
        standing = [
            Standing(version, frozenset(completed.get(version.id.version, ())))
            for version in rows.list_of(tx, definition, include_staged=True)
        ]
    return retention.decide(standing, rules, ctx.clock.now())


def _apply(
    ctx: Context, decision: Decision, etag_seen: str | None, *, bypass_soft_delete: bool
) -> Outcome:
    if decision.keep:
        return Outcome(decision=decision, done="kept")
    check_stop(ctx.engine.stop)
    try:
        if etag_seen is None:
            raise _not_agreed(decision)
        report = version_deleting.delete(
            ctx,
            decision.version.id,
            bypass_soft_delete=bypass_soft_delete,
            if_match=etag_seen,
            recheck=_refuse_latest,
        )
    except Interrupted:
        raise
    except ImgreplError as error:
        return Outcome(decision=decision, done="refused", error=error)
    return Outcome(decision=decision, done="softDeleted" if report["softDeleted"] else "deleted")


def _refuse_latest(tx: Connection, version: ImageVersion) -> None:
    """That it has not become the latest of a region since it was decided on."""
    newest_first = candidates.newest_first(tx, version.id.definition)
    targets = {target.name for target in version.target_regions}
    here = latest.is_latest_in(version.id.version, targets, newest_first)
    if here:
        raise Conflict(
            f"{version.id} has become the latest in {', '.join(here)}",
            code="ChangedMeanwhile",
            target=str(version.id),
        )


def _not_agreed(decision: Decision) -> Conflict:
    return Conflict(
        f"{decision.version.id} was not to be deleted when the plan was shown",
        code="ChangedMeanwhile",
        target=str(decision.version.id),
        hint="look at the plan again",
    )
