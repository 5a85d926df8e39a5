"""Advice as JSON."""

from typing import Any

from imgrepl.actions.advising import Advice, MeasuredReplica

Json = dict[str, Any]
_MEGABYTE = 10**6


def advice(value: Advice) -> Json:
    """How many replicas by each rule, what was measured, and what stands in the way."""
    return {
        "region": value.region,
        "version": None if value.version is None else str(value.version),
        "vms": value.deployment.vms,
        "scaleSets": value.deployment.scale_sets,
        "instances": value.deployment.instances if value.deployment.scale_sets else None,
        "replicas": {
            "recommended": value.recommended,
            "at20VmsEach": value.careful,
            "at50VmsEach": value.today,
            "bySpeed": value.by_speed,
            "present": value.present,
        },
        "measured": [_measured(one) for one in value.measured],
        "warnings": list(value.warnings),
    }


def _measured(value: MeasuredReplica) -> Json:
    speed = value.speed
    return {
        "replica": value.replica,
        "readBytes": 0 if speed is None else speed.read_bytes,
        "seconds": None if speed is None else round(speed.seconds, 3),
        "megabytesPerSecond": None
        if speed is None
        else round(speed.bytes_per_second / _MEGABYTE, 1),
        "problem": value.problem,
    }
