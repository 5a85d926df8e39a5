"""A version's disk, out of a region.

Packs are fetched side by side, every chunk is proven, zeros are never written.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

from imgrepl.engine.context import Engine
from imgrepl.engine.fetching import (
    BadRead,
    Fetched,
    OnDamage,
    chunks_of,
    from_first,
    slots_of,
    unheeded,
    with_pack,
)
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest, PackUse, Run
from imgrepl.model.region import Place


class Writes(Protocol):
    """Where a disk goes: any order, ranges never overlap, what is never written is zeros."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Takes bytes for `offset`; called from many threads at once."""


def read_manifest(
    engine: Engine,
    content_id: ContentId,
    sources: Sequence[Place],
    on_damage: OnDamage = unheeded,
) -> Manifest:
    """A disk's manifest from the first of `sources` that gives it whole.

    Raises what the last one failed with: `NotFound`, `Corrupt` or `Unavailable`.
    """
    with engine.index.read() as tx:
        row = contents.get(tx, content_id)
    if row is None:
        raise NotFound(f"no content {content_id} is known", code="ContentNotFound")
    key = keys.manifest_key(content_id, row.generation)

    def attempt(place: Place) -> Manifest:
        try:
            return decode_manifest(engine.stores.of(place).get(key), content_id)
        except (Corrupt, NotFound) as error:
            on_damage(BadRead(place, None, content_id, error.message))
            raise

    return from_first(engine, sources, f"the manifest of {content_id}", attempt)


def export_disk(
    engine: Engine,
    manifest: Manifest,
    sources: Sequence[Place],
    writer: Writes,
    progress: Callable[[int], None],
    on_damage: OnDamage = unheeded,
) -> Counter[str]:
    """Writes every occupied byte of a disk; the rest of it is zeros.

    Gives how many of them each region served, by its name. `sources` are tried in order for each
    pack: one that is damaged or missing there is marked and read from the next. `progress` is told
    the plain bytes written so far. Raises `Corrupt` (`PackLost`…) when no source has a healthy
    copy.
    """
    runs_of: dict[int, list[Run]] = defaultdict(list)
    for run in manifest.runs:
        runs_of[run.pack].append(run)
    served: Counter[str] = Counter()
    in_flight: set[Future[_Exported]] = set()

    def count(done: Iterable[Future[_Exported]]) -> None:
        for future in done:
            pack = future.result()
            served[pack.region] += pack.written_bytes
            progress(served.total())

    limit = engine.options.downloads_in_flight

    def export(number: int, use: PackUse) -> _Exported:
        """Fetches what is needed of one pack and writes it."""
        runs = runs_of[number]
        return with_pack(
            engine,
            use,
            slots_of(runs),
            sources,
            lambda fetched: _write_runs(engine, fetched, runs, writer, manifest.size_bytes),
            on_damage,
        )

    with ThreadPoolExecutor(limit, "download") as pool:
        try:
            for number, use in enumerate(manifest.packs):
                check_stop(engine.stop)
                in_flight.add(pool.submit(export, number, use))
                if len(in_flight) > limit:
                    done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
                    count(done)
            count(in_flight)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return served


class _Exported(NamedTuple):
    """What was written of one pack, and which region gave it."""

    region: str
    written_bytes: int


def _write_runs(
    engine: Engine, fetched: Fetched, runs: list[Run], writer: Writes, size_bytes: int
) -> _Exported:
    written = 0
    for run in runs:
        offset = run.disk_offset
        for chunk in chunks_of(engine, fetched, run):
            writer.write(offset, chunk[: size_bytes - offset])
            offset += len(chunk)
        written += run.length_bytes
    return _Exported(fetched.region, written)
