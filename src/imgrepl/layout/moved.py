"""Moved: where the chunks of a pack are that is not in a place in full, or was packed anew.

A place that needs less than half of a pack gets the frames it needs in another pack, copied
verbatim; compaction does the same to packs that are half garbage. Manifests go on naming the old
pack, so that they stay the same in every region: a reader that does not find it follows this.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import (
    HEX_64,
    decode_document,
    encode_document,
    field_corrupt,
    identifier,
    number,
    proven,
)
from imgrepl.layout.keys import NUMBER_MAX
from imgrepl.layout.pack import SLOTS_MAX
from imgrepl.model.ids import PackId
from imgrepl.model.slots import SlotRange


class MovedRun(NamedTuple):
    """`slots` consecutive slots, from `first_slot` of the old pack, are in `pack_id` now.

    There they are consecutive too, from `target_slot`.
    """

    first_slot: int
    slots: int
    pack_id: PackId
    target_slot: int


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One revision of what became of a pack; the highest counts. Runs are in slot order.

    A slot that no run has is not in this place.
    """

    pack_id: PackId
    revision: int
    runs: tuple[MovedRun, ...]

    def locate(self, wanted: SlotRange) -> list[MovedRun] | None:
        """Where these slots of the old pack are now, in order; None where one is not here."""
        found: list[MovedRun] = []
        slot = wanted.first_slot
        at = bisect_right(self.runs, slot, key=lambda run: run.first_slot) - 1
        for run in self.runs[max(at, 0) :]:
            into = slot - run.first_slot
            if not 0 <= into < run.slots:
                return None
            slots = min(wanted.end - slot, run.slots - into)
            found.append(MovedRun(slot, slots, run.pack_id, run.target_slot + into))
            slot += slots
            if slot == wanted.end:
                return found
        return None


def encode_moved(moved: Moved) -> bytes:
    """The bytes of a moved object: a table of packs, and runs that name them by position."""
    fault = _fault(moved)
    assert fault is None, fault
    packs = sorted({run.pack_id for run in moved.runs})
    positions = {pack_id: at for at, pack_id in enumerate(packs)}
    runs = [
        [run.first_slot, run.slots, positions[run.pack_id], run.target_slot] for run in moved.runs
    ]
    body = {"packId": moved.pack_id, "revision": moved.revision, "packs": packs, "runs": runs}
    return encode_document("moved", body)


def decode_moved(data: Buffer, pack_id: PackId) -> Moved:
    """What became of `pack_id`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("moved", data)
    try:
        packs = [PackId(identifier(one, HEX_64)) for one in body["packs"]]
        runs = tuple(
            MovedRun(
                number(first, SLOTS_MAX),
                number(slots, SLOTS_MAX),
                packs[pack],
                number(target, SLOTS_MAX),
            )
            for first, slots, pack, target in body["runs"]
        )
        moved = Moved(
            pack_id=PackId(identifier(body["packId"], HEX_64)),
            revision=number(body["revision"], NUMBER_MAX),
            runs=runs,
        )
        fault = _fault(moved)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise field_corrupt("moved", error) from error
    if moved.pack_id != pack_id:
        fault = f"it is about pack {moved.pack_id}, not {pack_id}"
    if fault is not None:
        raise field_corrupt("moved", ValueError(fault))
    return proven("moved", moved, encode_moved, data)


def _fault(moved: Moved) -> str | None:
    """What is wrong with it, whoever made it."""
    end = 0
    for run in moved.runs:
        if run.slots < 1 or run.first_slot < end or run.first_slot + run.slots > SLOTS_MAX:
            return f"slots {run.first_slot} and {run.slots - 1} more are empty, double or too many"
        if not 0 <= run.target_slot <= SLOTS_MAX - run.slots:
            return f"slot {run.target_slot} of {run.pack_id} is more than a pack has"
        if run.pack_id == moved.pack_id:
            return "it says that the pack is in itself"
        end = run.first_slot + run.slots
    return None if moved.runs else "it says nothing"
