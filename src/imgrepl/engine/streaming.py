"""A version's disk as one stream of bytes in order, zeros included."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence

from imgrepl.engine.context import Engine
from imgrepl.engine.fetching import (
    Fetched,
    OnDamage,
    chunks_of,
    slots_of,
    unheeded,
    with_pack,
)
from imgrepl.engine.stopping import check_stop
from imgrepl.layout.content import Buffer
from imgrepl.model.manifest import Manifest, Run
from imgrepl.model.region import Place

_ZEROS = bytes(1 << 20)
_PACKS_KEPT = 6


def stream_disk(
    engine: Engine,
    manifest: Manifest,
    sources: Sequence[Place],
    consume: Callable[[Buffer], object],
    progress: Callable[[int], None],
    on_damage: OnDamage = unheeded,
) -> Counter[str]:
    """Gives `consume` every byte of a disk, first to last; each chunk is proven before it is given.

    Gives how many occupied bytes each region served, by its name. Memory: the last six packs that
    were used, and one run. `sources` are tried in order for each pack. Raises `Corrupt` where no
    source has a healthy copy.
    """
    packs = _RecentPacks(engine, manifest, sources, on_damage)
    position = 0
    for run in manifest.runs:
        check_stop(engine.stop)
        _zeros(consume, run.disk_offset - position)
        position = run.disk_offset
        for chunk in packs.chunks(run):
            visible = chunk[: manifest.size_bytes - position]
            consume(visible)
            position += len(visible)
        progress(position)
    _zeros(consume, manifest.size_bytes - position)
    return packs.served


class _RecentPacks:
    """The packs that were used last; runs of one disk come back to the same few."""

    def __init__(
        self, engine: Engine, manifest: Manifest, sources: Sequence[Place], on_damage: OnDamage
    ) -> None:
        self._engine = engine
        self._manifest = manifest
        self._sources = sources
        self.served: Counter[str] = Counter()
        self._on_damage = on_damage
        self._kept: OrderedDict[int, Fetched] = OrderedDict()
        self._runs_of: dict[int, list[Run]] = defaultdict(list)
        for run in manifest.runs:
            self._runs_of[run.pack].append(run)

    def chunks(self, run: Run) -> list[bytes]:
        """The plain chunks of `run`, from the pack as it was fetched, or from another source."""
        kept = self._kept.get(run.pack)
        if kept is not None:
            self._kept.move_to_end(run.pack)
            self.served[kept.region] += run.length_bytes
            return list(chunks_of(self._engine, kept, run))
        use = self._manifest.packs[run.pack]

        def first(fetched: Fetched) -> tuple[Fetched, list[bytes]]:
            for other in self._runs_of[run.pack]:  # proven whole, before any of it is relied on
                chunks = list(chunks_of(self._engine, fetched, other))
                if other == run:
                    found = chunks
            return fetched, found

        slots = slots_of(self._runs_of[run.pack])
        fetched, found = with_pack(self._engine, use, slots, self._sources, first, self._on_damage)
        self._kept[run.pack] = fetched
        self.served[fetched.region] += run.length_bytes
        if len(self._kept) > _PACKS_KEPT:
            self._kept.popitem(last=False)
        return found


def _zeros(consume: Callable[[Buffer], object], length: int) -> None:
    while length > 0:
        step = min(length, len(_ZEROS))
        consume(_ZEROS if step == len(_ZEROS) else _ZEROS[:step])
        length -= step
