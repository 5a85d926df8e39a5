"""Moments as Azure writes them."""

from datetime import UTC, datetime


def iso_utc(at: datetime) -> str:
    """`2026-11-23T09:10:00.250000Z`: ISO 8601 in UTC, no fraction where there is none."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
