"""What an operation keeps of a shallow version that is to become full."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imgrepl.engine.sealer import Promotion
from imgrepl.model.gallery import TargetRegion
from imgrepl.model.region import StorageAccountType


def to_json(promotion: Promotion) -> dict[str, Any]:
    """For an operation's request."""
    return {
        "targetRegions": [asdict(target) for target in promotion.target_regions],
        "replicaCount": promotion.replica_count,
    }


def of_request(request: Mapping[str, Any]) -> Promotion | None:
    """What an operation's request says of it, if anything."""
    asked = request.get("promotion")
    if asked is None:
        return None
    return Promotion(
        target_regions=tuple(_target(value) for value in asked["targetRegions"]),
        replica_count=asked["replicaCount"],
    )


def _target(value: Mapping[str, Any]) -> TargetRegion:
    kind = StorageAccountType(value["storage_account_type"])
    return TargetRegion(**{**value, "storage_account_type": kind})
