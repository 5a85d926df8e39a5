"""Is everything fit for use: this machine, the index, every region."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from imgrepl.actions import allowing, practices, region_checks, regions
from imgrepl.actions.context import Context
from imgrepl.errors import ImgreplError
from imgrepl.gallery import operations, places, proofs
from imgrepl.gallery import versions as rows
from imgrepl.model.operation import OperationState
from imgrepl.model.policy import Action
from imgrepl.model.region import Region
from imgrepl.model.wording import counted

_FREE_BYTES_MIN = 1 << 30
_OPERATIONS_LOOKED_AT = 200

Finding = dict[str, Any]


def doctor(ctx: Context) -> list[Finding]:
    """One finding per check, in reading order: `ok`, `warning` or `failed`, with the way out."""
    allowing.check(ctx, Action.INDEX_WRITE, None)
    findings = [*_machine(ctx), *_index(ctx)]
    known = regions.list_all(ctx)
    findings += [finding for region in known for finding in _proofs(ctx, region)]
    with ThreadPoolExecutor(8, "doctor") as pool:
        findings += pool.map(lambda region: _region(ctx, region), known)
    if not known:
        hint = "`imgrepl lab up` starts some here; `imgrepl region add` registers one"
        findings.append(_finding("regions", "warning", "no region is registered", hint))
    return findings


def _machine(ctx: Context) -> Iterator[Finding]:
    folder = ctx.state_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < _FREE_BYTES_MIN:
        hint = "free some: the index and the dedup cache live there"
        yield _finding("disk", "warning", f"{free >> 20} MiB are free in {folder}", hint)
    else:
        yield _finding("disk", "ok", f"{free >> 30} GiB are free in {folder}")


def _index(ctx: Context) -> Iterator[Finding]:
    with ctx.index.read() as tx:
        recent = operations.list_recent(tx, _OPERATIONS_LOOKED_AT)
        count = rows.count_all(tx)
        failed = rows.failed_somewhere(tx)
        advice = list(practices.neglected(tx))
    yield _finding("index", "ok", f"{ctx.index.url}: {counted(count, 'version')}")
    for operation in recent:
        if operation.state is OperationState.STALLED:
            text = f"operation {operation.id} on {operation.target} has nobody who works on it"
            hint = f"`imgrepl operation run {operation.id}` takes it up"
            yield _finding("operations", "warning", text, hint)
    for version_id in failed:
        text = f"{version_id} failed in at least one region"
        hint = "`imgrepl image-version retry` goes on with it"
        yield _finding("replicas", "warning", text, hint)
    for practice in advice:
        yield _finding(practice.name, "warning", practice.message, practice.hint)


def _proofs(ctx: Context, region: Region) -> Iterator[Finding]:
    """Whether anything in the region was proven too long ago, or is known to be damaged."""
    limit = ctx.clock.now() - timedelta(seconds=ctx.proof_age_seconds_max)
    hint = f"`imgrepl scrub --region {region.name}` reads what was proven longest ago, and mends it"
    with ctx.index.read() as tx:
        ids = [place.id for place in places.of_region(tx, region.name)]
        oldest, older = proofs.ages(tx, ids, limit)
        damaged = proofs.damaged(tx, ids)
    if damaged:
        text = f"{counted(damaged, 'pack')} known to be damaged in {region.name}"
        yield _finding("proofs", "warning", text, hint)
    if oldest is not None and older:
        text = (
            f"{counted(older, 'pack')} in {region.name} proven more than"
            f" {ctx.proof_age_seconds_max / 86_400:g} days ago, the first on {oldest.at:%Y-%m-%d}"
        )
        yield _finding("proofs", "warning", text, hint)


def _region(ctx: Context, region: Region) -> Finding:
    try:
        report = region_checks.check(ctx, region.name).report
    except ImgreplError as error:
        text = f"{error.code}: {error.message}"
        return _finding(f"region {region.name}", "failed", text, error.hint)
    bad = [place for place in report["places"] if place["state"] != "ok"]
    if bad:
        return _finding(f"region {region.name}", "failed", bad[0]["message"], bad[0].get("hint"))
    return _finding(f"region {region.name}", "ok", _answering(len(report["places"])))


def _answering(places: int) -> str:
    return "its place answers" if places == 1 else f"all {places} places answer"


def _finding(name: str, state: str, message: str, hint: str | None = None) -> Finding:
    return {"name": name, "state": state, "message": message, "hint": hint}
