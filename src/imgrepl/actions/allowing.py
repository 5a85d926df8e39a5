"""Asks the policy, for every action, before anything else is done.

The one place where it is asked. What is refused is logged, and so is what somebody who does not own
the index was allowed; the owner's changes are logged by the actions that make them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from imgrepl.actions.context import Context
from imgrepl.errors import Invalid, NotAllowed
from imgrepl.gallery import activity, shares
from imgrepl.model import policy
from imgrepl.model.gallery import GalleryId
from imgrepl.model.policy import Action, Decision, Scope, Standing
from imgrepl.model.references import options_naming
from imgrepl.model.sharing import Caller, Role

T = TypeVar("T")
Sees = Callable[[Scope], bool]
"""Whether something may be seen."""


def check(ctx: Context, action: Action, scope: Scope) -> Decision:
    """Lets the action go on where it is allowed. Raises `NotAllowed` (`NotAllowed`), with why.

    To be called before anything that `scope` names is looked up: who may not see it is not told
    whether it is there.
    """
    decision = _logged(ctx, decide(ctx, ctx.caller, action, scope))
    if not decision.allowed:
        raise refusal(policy.told(decision, scope))
    if action not in policy.CONSUMERS_ACTIONS:
        _refuse_other_names(ctx, scope)
    return decision


def seeing(ctx: Context, action: Action, within: Scope = None) -> Sees:
    """What tells of each item of a list whether the caller may see it.

    To be asked for before `within` is looked up. Raises `NotAllowed` where the action is allowed
    neither on `within` nor on anything in it.
    """
    caller = ctx.caller
    if caller.owns_index:
        return _everything_is_seen
    asked = within
    with ctx.index.read() as tx:
        within = shares.resolved(tx, asked)
        everything = shares.standing_of_all(tx, ctx.index_owner)
    own = tuple(one for one in everything.grants if caller.is_named_by(one.grant.assignee))
    standing = replace(everything, grants=own)

    def sees(scope: Scope) -> bool:
        return policy.decide(caller, action, scope, standing).allowed

    if within is not None:
        inside = [one.scope for one in standing.grants if policy.covers(within, one.scope)]
        check(ctx, action, next(filter(sees, [within, *inside]), asked))
    return sees


def decide(ctx: Context, caller: Caller, action: Action, scope: Scope) -> Decision:
    """What the policy says of anybody; logs nothing, raises nothing."""
    if caller.owns_index:
        return policy.decide(caller, action, scope, Standing(owner=ctx.index_owner))
    with ctx.index.read() as tx:
        own = shares.resolved(tx, scope)
        decision = policy.decide(caller, action, own, shares.standing_at(tx, own, ctx.index_owner))
        if decision.allowed:
            return decision
        # what they have further in allows nothing here, and belongs to the reasons
        return policy.decide(caller, action, own, shares.standing_of_all(tx, ctx.index_owner))


def of_oneself(_ctx: Context, answer: T) -> T:
    """An answer that tells everybody about themselves alone: nothing is asked."""
    return answer


def refusal(decision: Decision) -> NotAllowed:
    """The error that says who may not do what, why, which role would do, and who can grant it."""
    scope = policy.scope_name(decision.scope)
    roles = " or ".join(decision.roles_needed)
    needed = f"it needs {roles} there" if roles else "only the owner of the index may"
    return NotAllowed(
        f"{decision.caller.name} may not do {decision.action} on {scope}: {needed}",
        target=scope,
        details=decision.reasons,
        hint=_way_out(decision),
    )


def _way_out(decision: Decision) -> str:
    grantors = ", ".join(decision.grantors)
    if not decision.roles_needed or decision.scope is None:
        return f"ask {grantors}"
    reads = Role.READER in decision.roles_needed
    role = Role.READER if reads else decision.roles_needed[-1]
    return (
        f"{grantors} can grant it: `imgrepl share add {options_naming(decision.scope)}"
        f" --assignee {decision.caller.name} --role {str(role)!r}`"
    )


def _refuse_other_names(ctx: Context, scope: Scope) -> None:
    """That what is changed is named by its own name, not by one that consumers use."""
    if not any(isinstance(one, GalleryId) and "-" in one.gallery for one in policy.lineage(scope)):
        return
    with ctx.index.read() as tx:
        own = shares.resolved(tx, scope)
    if own != scope:
        raise Invalid(
            f"{policy.scope_name(scope)} is what consumers call {policy.scope_name(own)}: by that"
            " name it can be read only",
            code="ConsumersName",
            target=policy.scope_name(scope),
            hint=f"name it by `{options_naming(own)}`",
        )


def _logged(ctx: Context, decision: Decision) -> Decision:
    if decision.caller.owns_index:
        return decision
    detail = {
        "caller": str(decision.caller),
        "via": decision.via,
        "role": decision.role,
        "grantedOn": None if decision.granted_on is None else str(decision.granted_on),
        "reasons": list(decision.reasons),
    }
    with ctx.index.begin() as tx:
        activity.log(
            tx,
            action=decision.action,
            target=policy.scope_name(decision.scope),
            outcome=activity.ALLOWED if decision.allowed else activity.REFUSED,
            detail=detail,
            principal=decision.caller.name,
        )
    return decision


def _everything_is_seen(_scope: Scope) -> bool:
    return True
