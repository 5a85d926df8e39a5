"""Restores a disk from what lies in one place, with nothing but the format and the place.

A second reader, simple and slow: it shares the byte formats with the engine and none of its code.
"""

from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.moved import Moved, decode_moved
from imgrepl.layout.pack import decode_footer, decode_frame
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import Manifest
from imgrepl.testing.invariants import Objects, beginning


class NotWhole(Exception):
    """The place does not have all of the disk, or something of it is damaged."""


class Restorer:
    """Restores disks. What it proved once of the very same objects it does not prove again."""

    def __init__(self, chunk_key: bytes) -> None:
        self._chunk_key = chunk_key
        self._decoded: dict[bytes, list[bytes]] = {}
        self._restored: dict[tuple[bytes, ...], bytes] = {}

    def restore(self, objects: Objects, content_id: ContentId) -> bytes:
        """All bytes of the disk. Raises `NotWhole`."""
        try:
            return self._restore(objects, content_id)
        except NotWhole:
            raise
        except Exception as error:
            raise NotWhole(f"{type(error).__name__}: {error}") from error

    def _restore(self, objects: Objects, content_id: ContentId) -> bytes:
        encoded = newest(objects, keys.manifest_prefix(content_id))
        if encoded is None:
            raise NotWhole(f"there is no manifest of {content_id}")
        manifest = decode_manifest(encoded, content_id)
        packs = [newest(objects, keys.pack_prefix(use.pack_id)) for use in manifest.packs]
        here = tuple(pack for pack in packs if pack is not None)
        if len(here) != len(packs):
            return self._assemble(objects, manifest)
        if (encoded, *here) not in self._restored:
            self._restored[encoded, *here] = self._assemble(objects, manifest)
        return self._restored[encoded, *here]

    def _assemble(self, objects: Objects, manifest: Manifest) -> bytes:
        disk = bytearray(manifest.size_bytes)
        for run in manifest.runs:
            at = run.disk_offset
            pack_id = manifest.packs[run.pack].pack_id
            for slot in range(run.first_slot, run.first_slot + run.slots):
                chunk = self._chunk(objects, pack_id, slot)
                end = min(at + len(chunk), manifest.size_bytes)
                disk[at:end] = chunk[: end - at]
                at += len(chunk)
            if at != run.disk_offset + run.length_bytes:
                raise NotWhole(f"a run of {pack_id} gives other than {run.length_bytes} bytes")
        return bytes(disk)

    def _chunk(self, objects: Objects, pack_id: PackId, slot: int) -> bytes:
        for _ in range(8):
            pack = newest(objects, keys.pack_prefix(pack_id))
            if pack is not None:
                return self._chunks(pack_id, pack)[slot]
            encoded = newest(objects, keys.moved_prefix(pack_id))
            moved = None if encoded is None else decode_moved(encoded, pack_id)
            found = _located(moved, slot) if moved is not None else None
            if found is None:
                raise NotWhole(f"slot {slot} of pack {pack_id} is nowhere")
            pack_id, slot = found
        raise NotWhole(f"pack {pack_id} was moved too often")

    def _chunks(self, pack_id: PackId, pack: bytes) -> list[bytes]:
        if pack not in self._decoded:
            footer = decode_footer(pack, len(pack), pack_id=pack_id)
            ends = (footer.offsets + footer.stored_bytes).tolist()
            spans = zip(footer.offsets.tolist(), ends, strict=True)
            self._decoded[pack] = [
                decode_frame(footer, slot, pack[start:end], chunk_key=self._chunk_key)
                for slot, (start, end) in enumerate(spans)
            ]
        return self._decoded[pack]


def newest(objects: Objects, prefix: str) -> bytes | None:
    """The object of the highest generation or revision, which is the one that counts."""
    found = [(int(key[len(prefix) :]), key) for key in beginning(objects, prefix)]
    return objects[max(found)[1]] if found else None


def _located(moved: Moved, slot: int) -> tuple[PackId, int] | None:
    for run in moved.runs:
        if run.first_slot <= slot < run.first_slot + run.slots:
            return run.pack_id, run.target_slot + slot - run.first_slot
    return None
