"""What is beyond repair: which bytes of which disks of which versions no place has any more."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from imgrepl.engine.context import Engine
from imgrepl.engine.damage import NO_HARM, DiskRange, Harm, NamedDisk, PackDamage, harm_of
from imgrepl.engine.moved_objects import read_current
from imgrepl.engine.salvaging import salvage
from imgrepl.engine.verifier import Fault, named_disks, whole_disks
from imgrepl.errors import Corrupt, NotFound, Unavailable
from imgrepl.gallery import contents, moved, versions
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.moved import Moved
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.slots import SlotRange


class LostRange(NamedTuple):
    """Bytes of a version's disk that nothing gives back."""

    version: VersionId
    range: DiskRange


class Losses:
    """Looks at every copy of what could not be mended, once, and tells what that takes away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._damage: dict[PackId, PackDamage | None] = {}

    def harm(self, version: ImageVersion, fault: Fault) -> Harm:
        """What of the version no place has, because of one fault that could not be mended."""
        manifest = keys.parse_manifest_key(fault.key)
        if manifest is not None:
            return Harm(ranges=whole_disks(version, manifest.content_id))
        if fault.pack_id is None:
            return NO_HARM
        damage = self._damage_of(fault.pack_id)
        if damage is None:
            return NO_HARM
        disks = named_disks(self._engine, version)
        if damage.footer is None:
            disks = [self._without_moved(disk, fault.pack_id) for disk in disks]
        return harm_of(damage, fault.pack_id, disks, {})

    def _without_moved(self, disk: NamedDisk, pack_id: PackId) -> NamedDisk:
        """The disk but for the runs of a pack that some place has in other packs."""
        found = self._moved_of(pack_id)
        runs = tuple(
            run
            for run in disk.manifest.runs
            if disk.manifest.packs[run.pack].pack_id != pack_id
            or not any(one.locate(SlotRange(run.first_slot, run.slots)) for one in found)
        )
        return disk._replace(manifest=replace(disk.manifest, runs=runs))

    def _moved_of(self, pack_id: PackId) -> list[Moved]:
        with self._engine.index.read() as tx:
            holding = [place_rows.get(tx, number) for number in moved.places_with(tx, pack_id)]
        found = []
        for place in holding:
            with suppress(Corrupt, NotFound, Unavailable):
                found.append(read_current(self._engine, place, pack_id))
        return [one for one in found if one is not None]

    def ranges(self, faults: Iterable[Fault]) -> tuple[LostRange, ...]:
        """The same of all versions, each range once."""
        found = {
            LostRange(version.id, each): None
            for fault in faults
            for version in self._naming(fault)
            for each in self.harm(version, fault).ranges
        }
        return tuple(found)

    def _damage_of(self, pack_id: PackId) -> PackDamage | None:
        """What no copy gives; None while a place that may have one does not answer."""
        if pack_id not in self._damage:
            found = salvage(self._engine, pack_id)
            self._damage[pack_id] = None if found.unasked is not None else found.damage
        return self._damage[pack_id]

    def _naming(self, fault: Fault) -> Iterator[ImageVersion]:
        named = self._contents_of(fault)
        with self._engine.index.read() as tx:
            known = versions.list_all(tx) if named else []
        return (version for version in known if not named.isdisjoint(version.content_ids))

    def _contents_of(self, fault: Fault) -> set[ContentId]:
        manifest = keys.parse_manifest_key(fault.key)
        if manifest is not None:
            return {manifest.content_id}
        if fault.pack_id is None:
            return set()
        with self._engine.index.read() as tx:
            return contents.naming(tx, [fault.pack_id])[fault.pack_id]
