"""A retention plan, and what became of it, as JSON."""

from datetime import timedelta
from typing import Any

from imgrepl.actions.retention import Outcome, RetentionReport
from imgrepl.azure.times import iso_utc

Json = dict[str, Any]


def retention(report: RetentionReport) -> Json:
    """What the rules mean for each version, and what became of that."""
    rules = report.rules
    return {
        "rules": {
            "keepLast": rules.keep_last,
            "keepNewerThanHours": _hours(rules.keep_newer_than),
            "endOfLifeGraceHours": _hours(rules.end_of_life_grace),
            "pins": [str(pin) for pin in rules.pins],
        },
        "kept": sum(one.decision.keep for one in report.outcomes),
        "toDelete": len(report.to_delete),
        "versions": [_retained(one) for one in report.outcomes],
    }


def _retained(one: Outcome) -> Json:
    value = one.decision.version
    return {
        "version": str(value.id),
        "decision": "keep" if one.decision.keep else "delete",
        "reasons": list(one.decision.reasons),
        "publishedDate": value.published_at and iso_utc(value.published_at),
        "provisioningState": value.provisioning_state.value,
        "etag": one.decision.etag,
        "outcome": one.done,
        "error": one.error and {"code": one.error.code, "message": one.error.message},
    }


def _hours(value: timedelta | None) -> int | None:
    return None if value is None else value // timedelta(hours=1)
