"""A version's content out of another store: no byte of a disk is read, packs go over as they are.

Two stores of one dedup domain name chunks alike. So a pack that is here is not sent, a pack that is
mostly new comes whole and keeps its name, and of one that is mostly here the new frames come alone,
verbatim, in a pack of this store. Where all packs keep their names the manifest stays what it was.
"""

import hashlib
from collections.abc import Container, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from threading import BoundedSemaphore

from imgrepl.engine import footers, places, publisher, rehearsal, resume, sealer
from imgrepl.engine.bringing import bring
from imgrepl.engine.context import Engine
from imgrepl.engine.dedup import ChunkRef, Deduplicator, OpenPack
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.fetching import Fetched, frames_of, from_first, with_pack
from imgrepl.engine.foreign import ForeignVersion, PackNeed, needs_of
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.lease import Lease
from imgrepl.engine.packer import ClosedPack, Packer
from imgrepl.engine.publisher import DiskSource, check_stated, pinning, presence
from imgrepl.engine.rehearsal import Discarded
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.sealer import IngestedDisk
from imgrepl.engine.server_copy import copy_pack
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.stored_disk import StoredDisk
from imgrepl.engine.streaming import stream_disk
from imgrepl.engine.transplant_choice import Choice, Way, choose, copied_by_server, with_footers
from imgrepl.engine.transplant_slots import SlotMap
from imgrepl.engine.uploads import PackUploads, put_pack
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, packs
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.content import Buffer
from imgrepl.layout.pack import FrameEntry, PackFooter, verify_pack
from imgrepl.model.gallery import VersionId
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.manifest import Manifest, PackUse
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, union

_Frame = tuple[FrameEntry, Buffer]
_MEND = "run `imgrepl image-version repair` where it is copied from"


def transplant_content(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    foreign: ForeignVersion,
    *,
    prove_sha256: bool = False,
) -> tuple[IngestCounts, set[tuple[PlaceId, PackId]]]:
    """Brings what `home` lacks of another store's version and commits it; gives the packs put here.

    A store that cuts or names chunks otherwise has its disks read and cut anew. With `prove_sha256`
    a disk's SHA-256 is computed anew where the other store states one: chunks are proven by other
    names. What an earlier
    attempt of the same operation made durable is found again and not sent twice.
    """
    if foreign.engine.domain != engine.domain:
        disks = _disks(foreign, prove_sha256=prove_sha256)
        return publisher.publish_content(engine, lease, version_id, home, disks)
    places.prepare(engine, home)
    resume.settle_intents(engine, lease.operation.id, [home])
    known = _known(engine, lease, home, foreign)
    with engine.open_cache() as cache:
        footers.fill_cache(engine, home, cache)
        reporter = Reporter(engine, "copy", str(version_id))
        with reporter, closing(_Transplant(engine, lease, home, foreign, cache, reporter)) as work:
            manifests = known | work.run(but=known)
    ingested = _ingested(foreign, manifests)
    for disk in ingested if prove_sha256 else ():
        _check_sha256(engine, home, disk)
    sealer.commit(engine, lease, version_id, home, ingested)
    return work.counts, {(home.id, pack_id) for pack_id in work.put_packs}


def _known(
    engine: Engine, lease: Lease, home: Place, foreign: ForeignVersion
) -> dict[ContentId, Manifest]:
    """Contents that this store has already, brought home from wherever it has them."""
    found = {}
    for content_id in dict.fromkeys(foreign.version.content_ids):
        with engine.index.read() as tx:
            sealed = [place_rows.get(tx, p) for p in contents.sealed_places(tx, content_id)]
        if not sealed:
            continue
        with suppress(Corrupt, NotFound):  # then it comes from the other store
            bring(engine, lease, [content_id], home)
            found[content_id] = read_manifest(engine, content_id, sealed)
    return found


def _ingested(
    foreign: ForeignVersion, manifests: Mapping[ContentId, Manifest]
) -> list[IngestedDisk]:
    return [
        IngestedDisk(
            lun=disk.lun,
            format=disk.format or "raw",
            manifest=manifests[manifest.content_id],
            sha256=disk.sha256,
        )
        for disk, manifest in foreign.disks
    ]


def _check_sha256(engine: Engine, home: Place, disk: IngestedDisk) -> None:
    """Reads the disk out of `home`, if its SHA-256 was stated."""
    if disk.sha256 is None:
        return
    digest = hashlib.sha256()
    stream_disk(engine, disk.manifest, [home], digest.update, lambda _bytes_done: None)
    check_stated(disk.lun, disk.sha256, digest.hexdigest())


def _disks(foreign: ForeignVersion, *, prove_sha256: bool = False) -> list[DiskSource]:
    return [
        DiskSource(
            lun=disk.lun,
            disk=StoredDisk(foreign.engine, manifest, foreign.places, disk.format or "raw"),
            sha256=prove_sha256 and disk.sha256 is not None,
            known_sha256=disk.sha256,
        )
        for disk, manifest in foreign.disks
    ]


class Rehearsed(Discarded):
    """What a copy would send: packs by their length, whole ones and new ones."""

    def __init__(self) -> None:
        super().__init__()
        self.server_copied_bytes = 0
        self.frame_bytes = 0


def rehearse(
    engine: Engine, home: Place | None, foreign: ForeignVersion, subject: str
) -> tuple[IngestCounts, Rehearsed]:
    """What a copy into `home` would send, by footers alone; by content where cuts differ.

    `home` is None where the place does not exist yet, so that everything is new to it.
    """
    sink = Rehearsed()
    if foreign.engine.domain != engine.domain:
        _ingested, counts, recut = rehearsal.rehearse(engine, home, _disks(foreign), subject)
        sink.packs = recut.packs
        return counts, sink
    with engine.index.read() as tx:
        wanted = [m for m in foreign.manifests if not contents.sealed_places(tx, m.content_id)]
    needs = needs_of(wanted)
    here = presence(engine, home)([need.pack_id for need in needs])
    counts = _counts(foreign)
    with engine.open_cache() as cache:
        deduplicator = Deduplicator(cache, presence(engine, home))
        lacking = [need for need in needs if need.pack_id not in here]
        for need, footer in with_footers(foreign, lacking):
            if footer is None:
                sink.frame_bytes += need.pack_bytes
                continue
            by_server = home is not None and copied_by_server(foreign, engine.stores.of(home), need)
            choice = choose(need, footer, deduplicator, copied_by_server=by_server)
            _settle_pending(choice)
            if choice.way is Way.WHOLE and by_server:
                sink.server_copied_bytes += need.pack_bytes
            elif choice.way is Way.WHOLE:
                sink.packs[need.pack_id] = need.pack_bytes
            else:
                sink.frame_bytes += choice.new_bytes
    counts.packs = len(sink.packs) + -(-sink.frame_bytes // engine.options.pack_bytes_target)
    return counts, sink


def _settle_pending(choice: Choice) -> None:
    handle = OpenPack(choice.need.pack_id, choice.need.pack_bytes)
    for slot, decision in zip(choice.need.numbers, choice.decisions, strict=True):
        if decision.new:
            _fill(decision.ref, handle, slot, choice.footer)


def _fill(ref: ChunkRef, handle: OpenPack, slot: int, footer: PackFooter) -> None:
    ref.pack, ref.slot, ref.stored_bytes = handle, slot, int(footer.stored_bytes[slot])


def _counts(foreign: ForeignVersion) -> IngestCounts:
    return IngestCounts(occupied_bytes=sum(one.occupied_bytes for one in foreign.manifests))


class _Transplant:
    """One version on its way into one place. One thread decides, some carry packs."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        home: Place,
        foreign: ForeignVersion,
        cache: DedupCache,
        reporter: Reporter,
    ) -> None:
        self._engine = engine
        self._operation_id = lease.operation.id
        self._home = home
        self._store = engine.stores.of(home)
        self._foreign = foreign
        self._cache = cache
        self._reporter = reporter
        self._pin = pinning(engine, lease.operation.id, home)
        self._dedup = Deduplicator(cache, self._pin)
        self._uploads = PackUploads(
            index=engine.index,
            operation_id=lease.operation.id,
            place=home,
            store=self._store,
            cache=cache,
            clock=engine.clock,
            in_flight=engine.options.uploads_in_flight,
        )
        self._packer = Packer(engine.domain, engine.options.pack_bytes_target, self._hand_on)
        self._room = BoundedSemaphore(engine.options.uploads_in_flight)
        self._pool = ThreadPoolExecutor(engine.options.uploads_in_flight, "carry")
        self._carried: list[Future[tuple[OpenPack, PackFooter]]] = []
        self._slots = SlotMap(engine, home, foreign)
        self._whole: set[PackId] = set()
        self.counts = _counts(foreign)

    @property
    def put_packs(self) -> set[PackId]:
        """Packs that were put into the place, whole or new."""
        return self._whole | self._uploads.put_packs

    def run(self, *, but: Container[ContentId]) -> dict[ContentId, Manifest]:
        """Makes everything durable that is needed of the contents that are not in `but`.

        Gives their manifests in this store.
        """
        wanted = [one for one in self._foreign.manifests if one.content_id not in but]
        needs = needs_of(wanted)
        self._reporter.begin(sum(need.pack_bytes for need in needs), len(needs))
        here = self._pin([need.pack_id for need in needs])
        for need in needs:
            if need.pack_id in here:
                self._reporter.add(need.pack_bytes)
        lacking = [need for need in needs if need.pack_id not in here]
        for need, footer in with_footers(self._foreign, lacking):
            check_stop(self._engine.stop)
            self._note_finished()
            self._take(need, footer)
        self._packer.close()
        self._uploads.drain()
        for future in self._carried:
            future.result()
        return {manifest.content_id: self._slots.translated(manifest) for manifest in wanted}

    def close(self) -> None:
        """Waits for what is on its way and takes no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._uploads.close()

    def _take(self, need: PackNeed, footer: PackFooter | None) -> None:
        if footer is None:
            self._take_scattered(need)
            return
        by_server = copied_by_server(self._foreign, self._store, need)
        choice = choose(need, footer, self._dedup, copied_by_server=by_server)
        self.counts.new_bytes += _plain_bytes(choice)
        match choice.way:
            case Way.WHOLE:
                self._take_whole(choice)
            case Way.FRAMES:
                self._take_frames(choice)
                self._slots.note(need.pack_id, need.numbers, [one.ref for one in choice.decisions])
                self._reporter.add(need.pack_bytes)
            case Way.KNOWN:
                self._slots.note(need.pack_id, need.numbers, [one.ref for one in choice.decisions])
                self._reporter.add(need.pack_bytes)

    def _take_whole(self, choice: Choice) -> None:
        handle = OpenPack(choice.need.pack_id, choice.need.pack_bytes)
        for slot, decision in zip(choice.need.numbers, choice.decisions, strict=True):
            if decision.new:
                _fill(decision.ref, handle, slot, choice.footer)
        self.counts.packs += 1
        self._room.acquire()
        self._carried.append(self._pool.submit(self._carry, choice.need, choice.footer, handle))

    def _take_frames(self, choice: Choice) -> None:
        """The new frames alone, in disk order, into packs of this store."""
        new = choice.new_slots
        frames = self._frames(choice.need, new, choice.new_bytes)
        refs = [decision.ref for decision in choice.decisions if decision.new]
        for slot, ref, (entry, frame) in zip(new, refs, frames, strict=True):
            if entry.chunk_id != choice.footer.chunk_id(slot):
                raise _other_chunks(choice.need)
            self._packer.add(entry, frame, ref)

    def _take_scattered(self, need: PackNeed) -> None:
        """A pack that the other store has in pieces: what it has is told by its frames."""
        frames = self._frames(need, need.numbers, need.pack_bytes)
        decisions = self._dedup.decide([entry.chunk_id for entry, _frame in frames])
        for decision, (entry, frame) in zip(decisions, frames, strict=True):
            if decision.new:
                self._packer.add(entry, frame, decision.ref)
                self.counts.new_bytes += entry.plain_bytes
        self._slots.note(
            need.pack_id,
            need.numbers,
            [decision.ref for decision in decisions],
            entries=[entry for entry, _frame in frames],
        )
        self._reporter.add(need.pack_bytes)

    def _frames(self, need: PackNeed, slots: list[int], frame_bytes: int) -> list[_Frame]:
        """Frames of a pack, each proven, from the first place that gives them all."""
        ranges = union([SlotRange(slot, 1) for slot in slots])

        def collect(fetched: Fetched) -> list[_Frame]:
            return [f for each in ranges for f in frames_of(self._foreign.engine, fetched, each)]

        use = PackUse(need.pack_id, need.pack_bytes, frame_bytes)
        return with_pack(self._foreign.engine, use, ranges, self._foreign.places, collect)

    def _carry(
        self, need: PackNeed, footer: PackFooter, handle: OpenPack
    ) -> tuple[OpenPack, PackFooter]:
        """The intent, the pack, its confirmation (F-1, F-2). In a thread of its own."""
        try:
            with self._engine.index.begin() as tx:
                row = packs.intend(
                    tx, self._operation_id, self._home.id, need.pack_id, need.pack_bytes
                )
            if row.state != packs.PRESENT:
                self._bring(need, footer, keys.pack_key(need.pack_id, row.generation))
            self._cache.add_pack(need.pack_id, footer)
            self._reporter.add(need.pack_bytes)
            return handle, footer
        finally:
            self._room.release()

    def _bring(self, need: PackNeed, footer: PackFooter, key: str) -> None:
        """Reads the pack, proves it, and has the server copy it, or sends it.

        Every chunk of it is decoded: its name proves its bytes, not that its footer names them as
        they are, and who publishes the same chunk here later relies on that.
        """
        check_stop(self._engine.stop)
        keyed = {place.id: key for place, key in self._foreign.holders_of(need.pack_id)}
        sources = [place for place in self._foreign.places if place.id in keyed]

        def proven(place: Place) -> tuple[Place, bytes, PackFooter]:
            body = self._foreign.engine.stores.of(place).get(keyed[place.id])
            try:
                return place, body, verify_pack(body, need.pack_id, self._engine.domain.chunk_key)
            except Corrupt as error:
                raise Corrupt(
                    f"{place.name} does not hold pack {need.pack_id} as it was written:"
                    f" {error.message}",
                    code="PackDamaged",
                    target=need.pack_id,
                    hint=_MEND,
                ) from error

        place, body, found = from_first(
            self._foreign.engine, sources, f"pack {need.pack_id}", proven
        )
        if found.chunk_ids != footer.chunk_ids:
            raise _other_chunks(need)
        source = self._foreign.engine.stores.of(place)
        named = (need.pack_id, need.pack_bytes)
        level = copy_pack(source, keyed[place.id], self._store, key, named)
        if level is None:
            put_pack(self._store, key, need.pack_id, body)
            level = ProofLevel.PUT_CHECKSUM
        with self._engine.index.begin() as tx:
            proof = Proof(level, self._engine.clock.now())
            packs.confirm(tx, self._home.id, need.pack_id, proof)
            packs.note_footer(tx, need.pack_id, found.digest)
        self._whole.add(need.pack_id)

    def _hand_on(self, pack: ClosedPack) -> None:
        self.counts.packs += 1
        self._uploads.submit(pack)

    def _note_finished(self) -> None:
        """What became durable is found in the cache from now on."""
        for pack in self._uploads.finished():
            self._dedup.stored(pack.handle, pack.chunk_ids)
        done = [future for future in self._carried if future.done()]
        self._carried = [future for future in self._carried if future not in done]
        for future in done:
            handle, footer = future.result()
            ids = [footer.chunk_id(slot) for slot in range(footer.slots)]
            self._dedup.stored(handle, ids)


def _plain_bytes(choice: Choice) -> int:
    return sum(int(choice.footer.plain_bytes[slot]) for slot in choice.new_slots)


def _other_chunks(need: PackNeed) -> Corrupt:
    return Corrupt(
        f"pack {need.pack_id} does not hold the chunks that its footer named",
        code="PackDamaged",
        target=need.pack_id,
        hint=_MEND,
    )
