"""A version's disk, out of a region.

Packs are fetched side by side, every chunk is proven, zeros are never written.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol, TypeVar

from imgrepl.engine.context import Engine
from imgrepl.engine.footers import read_footer
from imgrepl.engine.pack_reading import pack_key_in, set_damaged
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.pack import PackFooter, decode_footer, decode_frame
from imgrepl.model.events import Notice
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest, PackUse, Run
from imgrepl.model.region import Place

_Result = TypeVar("_Result")


class Writes(Protocol):
    """Where a disk goes: any order, ranges never overlap, what is never written is zeros."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Takes bytes for `offset`; called from many threads at once."""


class Fetched(NamedTuple):
    """A pack's footer and the parts of its body that were asked for, as (offset, bytes)."""

    footer: PackFooter
    parts: list[tuple[int, memoryview]]


def read_manifest(engine: Engine, content_id: ContentId, sources: Sequence[Place]) -> Manifest:
    """A disk's manifest from the first of `sources` that gives it whole.

    Raises what the last one failed with: `NotFound`, `Corrupt` or `Unavailable`.
    """
    with engine.index.read() as tx:
        row = contents.get(tx, content_id)
    if row is None:
        raise NotFound(f"no content {content_id} is known", code="ContentNotFound")
    key = keys.manifest_key(content_id, row.generation)
    return _first(
        engine,
        sources,
        f"the manifest of {content_id}",
        lambda place: decode_manifest(engine.stores.of(place).get(key), content_id),
    )


def export_disk(
    engine: Engine,
    manifest: Manifest,
    sources: Sequence[Place],
    writer: Writes,
    progress: Callable[[int], None],
) -> None:
    """Writes every occupied byte of a disk; the rest of it is zeros.

    `sources` are tried in order for each pack: one that is damaged or missing there is marked and
    read from the next. `progress` is told the plain bytes written so far. Raises `Corrupt`
    (`PackLost`…) when no source has a healthy copy.
    """
    runs_of: dict[int, list[Run]] = defaultdict(list)
    for run in manifest.runs:
        runs_of[run.pack].append(run)
    written = 0
    in_flight: set[Future[int]] = set()
    limit = engine.options.downloads_in_flight
    with ThreadPoolExecutor(limit, "download") as pool:
        try:
            for number, use in enumerate(manifest.packs):
                check_stop(engine.stop)
                in_flight.add(
                    pool.submit(
                        _export_pack, engine, use, runs_of[number], sources, writer, manifest
                    )
                )
                if len(in_flight) > limit:
                    done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
                    written += sum(future.result() for future in done)
                    progress(written)
            for future in in_flight:
                written += future.result()
                progress(written)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _export_pack(
    engine: Engine,
    use: PackUse,
    runs: list[Run],
    sources: Sequence[Place],
    writer: Writes,
    manifest: Manifest,
) -> int:
    """Fetches what `runs` need of one pack and writes it; gives the plain bytes written."""
    return with_pack(
        engine,
        use,
        runs,
        sources,
        lambda fetched: _write_runs(engine, fetched, runs, writer, manifest.size_bytes),
    )


def with_pack(
    engine: Engine,
    use: PackUse,
    runs: Sequence[Run],
    sources: Sequence[Place],
    consume: Callable[[Fetched], _Result],
) -> _Result:
    """`consume` with what `runs` need of a pack, from the first source that gives it whole.

    A source whose pack turns out damaged or missing, while it is fetched or consumed, is marked and
    the next one is asked; `consume` may so be called more than once.
    """

    def attempt(place: Place) -> _Result:
        try:
            return consume(_fetch(engine, place, use, runs))
        except (Corrupt, NotFound) as error:
            set_damaged(engine, place, use.pack_id, error.message)
            raise

    return _first(engine, sources, f"pack {use.pack_id}", attempt)


def _fetch(engine: Engine, place: Place, use: PackUse, runs: Sequence[Run]) -> Fetched:
    """One GET where half of the pack or more is needed, else the footer and some ranges."""
    store = engine.stores.of(place)
    key = pack_key_in(engine, place, use.pack_id)
    if 2 * use.used_bytes >= use.pack_bytes:
        body = memoryview(store.get(key))
        footer = decode_footer(body, use.pack_bytes, pack_id=use.pack_id)
        return Fetched(footer, [(0, body)])
    footer = read_footer(store, key, use.pack_id, use.pack_bytes)
    parts = []
    for start, end in needed_ranges(footer, runs, engine.options.range_gap_bytes):
        parts.append((start, memoryview(store.get(key, offset=start, length=end - start))))
    return Fetched(footer, parts)


def needed_ranges(footer: PackFooter, runs: Sequence[Run], gap_bytes: int) -> list[tuple[int, int]]:
    """Byte ranges of a pack that hold the slots of `runs`; those closer than `gap_bytes` are one.

    Raises `Corrupt` (`ManifestCorrupt`) when a run names slots that the pack does not have.
    """
    ranges: list[tuple[int, int]] = []
    for run in sorted(runs, key=lambda run: run.first_slot):
        last = run.first_slot + run.slots - 1
        if last >= footer.slots:
            raise Corrupt(
                f"a manifest names slot {last} of pack {footer.pack_id}, which has {footer.slots}",
                code="ManifestCorrupt",
            )
        start = int(footer.offsets[run.first_slot])
        end = int(footer.offsets[last] + footer.stored_bytes[last])
        if ranges and start - ranges[-1][1] <= gap_bytes:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return ranges


def _write_runs(
    engine: Engine, fetched: Fetched, runs: list[Run], writer: Writes, size_bytes: int
) -> int:
    written = 0
    for run in runs:
        offset = run.disk_offset
        for chunk in chunks_of(engine, fetched, run):
            writer.write(offset, chunk[: size_bytes - offset])
            offset += len(chunk)
        written += run.length_bytes
    return written


def chunks_of(engine: Engine, fetched: Fetched, run: Run) -> Iterator[bytes]:
    """The plain chunks of a run, each proven by its id.

    Raises `Corrupt` (`FrameCorrupt`, `ManifestCorrupt`) before it gives a byte too many.
    """
    footer = fetched.footer
    part_start, part = _part_with(fetched, int(footer.offsets[run.first_slot]))
    slots = slice(run.first_slot, run.first_slot + run.slots)
    starts = (footer.offsets[slots] - part_start).tolist()
    lengths = footer.stored_bytes[slots].tolist()
    if int(footer.plain_bytes[slots].sum()) != run.length_bytes:
        raise Corrupt(
            f"the slots of pack {footer.pack_id} do not give the {run.length_bytes} bytes of a run"
            f" at disk offset {run.disk_offset}",
            code="ManifestCorrupt",
        )
    for slot, start, length in zip(range(slots.start, slots.stop), starts, lengths, strict=True):
        frame = part[start : start + length]
        yield decode_frame(footer, slot, frame, chunk_key=engine.domain.chunk_key)


def _part_with(fetched: Fetched, offset: int) -> tuple[int, memoryview]:
    for start, part in fetched.parts:
        if start <= offset < start + len(part):
            return start, part
    raise AssertionError("every needed range was fetched")


def _first(
    engine: Engine, sources: Sequence[Place], what: str, attempt: Callable[[Place], _Result]
) -> _Result:
    """`attempt` with the first place that does not fail; says which ones did."""
    failure: ImgreplError | None = None
    for place in sources:
        try:
            return attempt(place)
        except (Corrupt, NotFound, Unavailable) as error:
            failure = error
            text = f"{what} could not be read from {place.name}: {error.message}"
            engine.events(Notice(level="warning", text=text, subject=place.region))
    raise failure or NotFound(f"no place has {what}", code="PackLost")
