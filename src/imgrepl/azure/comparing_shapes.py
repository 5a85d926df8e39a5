"""A comparison of two versions as JSON."""

from typing import Any

from imgrepl.actions.comparing import Comparison
from imgrepl.engine.shared_content import Overlap
from imgrepl.model.compatibility import Check

Json = dict[str, Any]


def comparison(value: Comparison) -> Json:
    """Whether what runs on the first may go on with the second, and the bytes they share."""
    first, second = value.first, value.second
    return {
        "versions": [str(first.id), str(second.id)],
        "compatible": value.compatible,
        "equal": first.content_ids == second.content_ids,
        "checks": [_check(check) for check in value.checks],
        "content": None if value.content is None else _content(value.content),
        "sharedPacks": value.shared_packs,
        "sharedPackBytes": value.shared_pack_bytes,
        "onlyFirstPackBytes": value.only_first_pack_bytes,
        "onlySecondPackBytes": value.only_second_pack_bytes,
        "disks": [
            {
                "lun": disk.lun,
                "equal": disk.content_id == other.content_id,
                "occupiedBytes": [disk.occupied_bytes, other.occupied_bytes],
                "provisionedBytes": [disk.provisioned_bytes, other.provisioned_bytes],
            }
            for disk in first.disks
            for other in second.disks
            if disk.lun == other.lun
        ],
    }


def _check(check: Check) -> Json:
    return {
        "check": check.name,
        "first": check.first,
        "second": check.second,
        "verdict": check.verdict.value,
        "reason": check.reason or None,
    }


def _content(value: Overlap) -> Json:
    return {
        "sharedBytes": value.shared_occupied_bytes,
        "newBytes": value.new_occupied_bytes,
        "sharedStoredBytes": value.shared_stored_bytes,
        "newStoredBytes": value.new_stored_bytes,
        "sharedChunks": value.shared_chunks,
        "newChunks": value.new_chunks,
    }
