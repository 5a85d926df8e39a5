"""Stage 4, second half: an intent row, then the pack, then its confirmation, for each pack."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from imgrepl.clock import Clock
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.packer import ClosedPack
from imgrepl.errors import Conflict, Corrupt
from imgrepl.gallery import packs
from imgrepl.gallery.database import GalleryIndex
from imgrepl.layout import keys
from imgrepl.layout.pack import footer_digest
from imgrepl.model.ids import OperationId, PackId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place
from imgrepl.store.protocols import Body, ObjectInfo, Store


class PackUploads:
    """Sends closed packs to the source place, a few at once.

    Write order F-1 and F-2 of the format: the intent is committed before the PUT starts, the row
    says present only after the server acknowledged the bytes under our SHA-256. A pack that is
    there already is not sent again.
    """

    def __init__(
        self,
        *,
        index: GalleryIndex,
        operation_id: OperationId,
        place: Place,
        store: Store,
        cache: DedupCache,
        clock: Clock,
        in_flight: int,
    ) -> None:
        self._index = index
        self._operation_id = operation_id
        self._place = place
        self._store = store
        self._cache = cache
        self._clock = clock
        self._slots = threading.BoundedSemaphore(in_flight)
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="upload")
        self._under_way: list[Future[ClosedPack]] = []
        self.put_packs: set[PackId] = set()

    def submit(self, pack: ClosedPack) -> None:
        """Takes a pack; waits while `in_flight` others are on their way."""
        self._slots.acquire()
        self._under_way.append(self._pool.submit(self._upload, pack))

    def finished(self) -> list[ClosedPack]:
        """Packs that became durable since the last call. Raises what one failed with."""
        done = [future for future in self._under_way if future.done()]
        if not done:
            return []
        self._under_way = [future for future in self._under_way if future not in done]
        return [future.result() for future in done]

    def drain(self) -> None:
        """Waits for every pack. Raises what one failed with."""
        for future in self._under_way:
            future.result()

    def close(self) -> None:
        """Waits for what is on its way and takes no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _upload(self, pack: ClosedPack) -> ClosedPack:
        try:
            pack_id, body = pack.encode()
            with self._index.begin() as tx:
                row = packs.intend(tx, self._operation_id, self._place.id, pack_id, len(body))
                packs.note_footer(tx, pack_id, footer_digest(body))
            if row.state != packs.PRESENT:
                put_pack(self._store, keys.pack_key(pack_id, row.generation), pack_id, body)
                proof = Proof(ProofLevel.PUT_CHECKSUM, self._clock.now())
                with self._index.begin() as tx:
                    packs.confirm(tx, self._place.id, pack_id, proof)
                self.put_packs.add(pack_id)
            pack.bodies.give_back(body)
            self._cache.add_pack(pack_id, pack.entries)
            return pack
        finally:
            self._slots.release()


def put_pack(store: Store, key: str, pack_id: PackId, body: Body) -> ObjectInfo:
    """Stores a pack under its key, or finds it there.

    Raises `Corrupt` (`PackDamaged`) when something else lies under that key, or the server says so.
    """
    sha256 = bytes.fromhex(pack_id)
    try:
        info = store.put(key, body, sha256=sha256, if_absent=True)
    except Conflict:
        info = store.head(key)
    if info.size_bytes == len(body) and info.sha256 in (None, sha256):
        return info
    raise Corrupt(
        f"{store.url}/{key} holds {info.size_bytes} other bytes than the pack of"
        f" {len(body)} bytes that it is named after",
        code="PackDamaged",
        target=pack_id,
        hint="run `imgrepl image-version repair` on a version that uses it",
    )
