"""The last resort: what all damaged copies of a pack together still give.

A copy that rotted in one frame is whole in the others, and the same frame seldom rots twice. Each
frame is taken from the first copy in which it decodes to its chunk, so nothing is ever guessed; a
pack whose frames are all found is the very pack again, which its name proves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.damage import LOST, DamagedChunk, PackDamage
from imgrepl.engine.footers import read_footer
from imgrepl.engine.moved_objects import read_current
from imgrepl.engine.pack_reading import pack_key
from imgrepl.engine.unreadable import HealthReads, read_whole
from imgrepl.errors import Corrupt, ImgreplError, Invalid, NotFound, Unavailable
from imgrepl.gallery import moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout.content import Buffer
from imgrepl.layout.moved import MovedRun
from imgrepl.layout.pack import (
    PackFooter,
    decode_footer,
    decode_frame,
    encode_header,
    finish_pack,
    pack_id_of,
)
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place


@dataclass(frozen=True, kw_only=True)
class Salvage:
    """What was found of a pack.

    `body` is laid out as the pack, with zeros where `damage` says that nothing was found; it is
    None where no copy tells what the pack held. `unasked` is why a place that may have more gave
    no answer.
    """

    pack_id: PackId
    body: bytes | None
    damage: PackDamage
    unasked: Unavailable | None = None

    @property
    def is_whole(self) -> bool:
        """Whether `body` is the pack, byte for byte."""
        return self.body is not None and pack_id_of(self.body) == self.pack_id


def salvage(engine: Engine, pack_id: PackId) -> Salvage:
    """Puts a pack together from every copy that any place has, damaged as they may be.

    Memory: two packs. Raises nothing that a store may raise but `NotAllowed`.
    """
    search = _Search(engine, pack_id)
    search.find_footer()
    if search.footer is None:
        return Salvage(pack_id=pack_id, body=None, damage=LOST, unasked=search.unasked)
    search.gather()
    lost = tuple(DamagedChunk(s, search.footer.chunk_id(s)) for s in sorted(search.lacking))
    damage = PackDamage(footer=search.footer, chunks=lost)
    return Salvage(pack_id=pack_id, body=search.assembled(), damage=damage, unasked=search.unasked)


class _Search:
    """Goes through the copies of a pack, one at a time, for what is still lacking."""

    def __init__(self, engine: Engine, pack_id: PackId) -> None:
        self._engine = engine
        self._pack_id = pack_id
        with engine.index.read() as tx:
            self._copies = packs.copies(tx, pack_id)
            self._through = moved.places_with(tx, pack_id)
            self._places = {place.id: place for place in place_rows.list_all(tx)}
        self._frames: dict[int, bytes] = {}
        self.footer: PackFooter | None = None
        self.lacking: set[int] = set()
        self.unasked: Unavailable | None = None

    def find_footer(self) -> None:
        """Takes the first footer that proves itself."""
        for row in self._copies:
            place = self._places[row.place_id]
            try:
                footer = read_footer(HealthReads(self._engine, place), row)
            except (Corrupt, Invalid, NotFound):
                continue
            except Unavailable as error:
                self.unasked = error
                continue
            self.footer, self.lacking = footer, set(range(footer.slots))
            return

    def gather(self) -> None:
        """Takes each frame from the first copy that has it, or from where it was moved to."""
        for row in self._copies:
            if self.lacking:
                self._take_from(row)
        for place_id in self._through:
            if self.lacking:
                self._take_moved(self._places[place_id])

    def assembled(self) -> bytes:
        """The pack, with zeros for what is lacking."""
        footer = self.footer
        assert footer is not None
        body = bytearray(encode_header(footer.domain_id))
        for slot, length in enumerate(footer.stored_bytes.tolist()):
            body += self._frames.get(slot) or bytes(length)
        return bytes(finish_pack(footer.domain_id, body, list(map(footer.entry, _slots(footer)))))

    def _take_from(self, row: PlacePack) -> None:
        body = self._read(self._places[row.place_id], row)
        footer = self.footer
        if body is None or footer is None:
            return
        for slot in sorted(self.lacking):
            start = int(footer.offsets[slot])
            self._try(slot, body[start : start + int(footer.stored_bytes[slot])])

    def _take_moved(self, place: Place) -> None:
        """Frames are moved verbatim, so those of a new pack are those of the old."""
        for run, row in self._moved_runs(place):
            body = self._read(place, row)
            if body is None:
                continue
            try:
                there = decode_footer(body, len(body), pack_id=row.pack_id)
            except (Corrupt, Invalid):
                continue
            for slot in self.lacking & set(range(run.first_slot, run.first_slot + run.slots)):
                at = run.target_slot + slot - run.first_slot
                if at < there.slots:
                    start = int(there.offsets[at])
                    self._try(slot, body[start : start + int(there.stored_bytes[at])])

    def _moved_runs(self, place: Place) -> Iterator[tuple[MovedRun, PlacePack]]:
        try:
            found = read_current(self._engine, place, self._pack_id)
        except (Corrupt, NotFound):
            return
        except Unavailable as error:
            self.unasked = error
            return
        for run in () if found is None else found.runs:
            with self._engine.index.read() as tx:
                row = packs.live_in(tx, place.id, [run.pack_id]).get(run.pack_id)
            if row is not None:
                yield run, row

    def _read(self, place: Place, row: PlacePack) -> memoryview | None:
        try:
            return memoryview(read_whole(self._engine, place, pack_key(row)))
        except Unavailable as error:
            self.unasked = error
        except (Corrupt, NotFound):
            pass
        return None

    def _try(self, slot: int, frame: Buffer) -> None:
        assert self.footer is not None
        try:
            decode_frame(self.footer, slot, frame, chunk_key=self._engine.domain.chunk_key)
        except Corrupt:
            return
        self._frames[slot] = bytes(frame)
        self.lacking.discard(slot)


def lost_error(found: Salvage, failure: ImgreplError | None) -> ImgreplError:
    """Why a pack cannot be had: a place that did not answer may have it, else it is lost."""
    if found.unasked is not None:
        return found.unasked
    if isinstance(failure, Unavailable):
        return failure
    damage = found.damage
    what = "none of its chunks" if damage.footer is None else f"{len(damage.chunks)} of its chunks"
    how = "can be read anywhere" if damage.footer is None else "are damaged in every copy"
    return Corrupt(
        f"no place has a healthy copy of pack {found.pack_id}, and {what} {how}",
        code="PackLost",
        target=found.pack_id,
        hint="publish the version's source again as another version: its chunks mend the pack",
    )


def _slots(footer: PackFooter) -> range:
    return range(footer.slots)
