"""The gallery index with 10,000 versions: `latest` in under 1 ms, a list in under 50 ms.

Times calls inside one process that has the index open, as a server has, and whole commands beside
them. First all versions but 100 belong to one definition, those to another, and each stands in two
regions. Then they belong to 1,000 definitions in 100 galleries, and each stands in ten regions:
that is as large as Azure's limits allow. There `usage` and `cost` are timed as well, and whether a
version is published as fast as into an empty index.

    python bench/index.py --versions 10000
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection

from harness.bench import imgrepl
from harness.broad_index import LONG, Size, packs_of_all
from harness.broad_index import fill as fill_broad
from harness.measuring import measure, median_of
from harness.options import add_rounds, parser_of
from harness.tables import Floor, Report, number, publish, table
from imgrepl.actions import costs, creating, usage
from imgrepl.actions import versions as actions
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import CreateVersion
from imgrepl.assembly.app import App, open_app
from imgrepl.gallery import definitions, galleries, regions, replicas, versions
from imgrepl.layout.frames import Codec
from imgrepl.layout.pack import FrameEntry
from imgrepl.model.events import silent
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageIdentifier,
    ImageVersion,
    OsType,
    ProvisioningState,
    TargetRegion,
    VersionDisk,
    VersionName,
)
from imgrepl.model.ids import ChunkId, IncarnationId, PackId
from imgrepl.model.region import Endpoint, Region, StorageAccountType
from imgrepl.model.replica import Replica, ReplicaState
from imgrepl.settings import load

LATEST_MS_MAX = 1.0
LIST_MS_MAX = 50.0
USAGE_MS_MAX = 1_000.0
PUBLISH_RATIO_MAX = 1.2
GALLERY = GalleryId(gallery="golden")
MANY, FEW = GALLERY.definition("many"), GALLERY.definition("few")
FEW_VERSIONS = 100
_REGIONS = ("eastus", "westeurope")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LRS = StorageAccountType.STANDARD_LRS
_SECONDS_PER_WORK = 2.0
_CALLS_MIN = 5
_PUBLICATIONS = 30


Works = Mapping[str, tuple[Callable[[], object], float | None]]
"""What to time, and how many milliseconds it may take, if there is a floor."""


class Publications(NamedTuple):
    """The median of many publications."""

    seconds: float
    processor_seconds: float


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 also where floors are missed, which the report says."""
    asked = _parser().parse_args(arguments)
    report = Report(title="Gallery index")
    with tempfile.TemporaryDirectory(prefix="imgrepl-bench-") as folder:
        environment = {
            "IMGREPL_INDEX": f"sqlite:///{folder}/index.db",
            "IMGREPL_STATE_DIR": folder,
            "IMGREPL_CACHE_DIR": folder,
        }
        with open_app(load([], environment, None).settings, silent, threading.Event()) as app:
            with app.ctx.index.begin() as tx:
                fill(tx, asked.versions)
            _time_calls(report, app.ctx)
        _time_commands(report, environment, asked.rounds)
        _time_broad(report, Path(folder), Size(versions=asked.versions))
        file_bytes = (Path(folder) / "index.db").stat().st_size
        report.notes.append(f"{asked.versions:,} versions take {number(file_bytes / 1e6)} MB.")
    publish(report, asked.json)
    return 0


def fill(tx: Connection, count: int) -> None:
    """Regions, a gallery, both definitions, and `count` versions."""
    for name in _REGIONS:
        endpoint = Endpoint(url=f"file:///nowhere/{name}")
        regions.add(tx, Region(name=name, display_name=name, standard=(endpoint,)))
    galleries.create(
        tx, Gallery(id=GALLERY, incarnation=_incarnation(), revision=1, location="eastus")
    )
    for definition in (MANY, FEW):
        definitions.create(
            tx,
            ImageDefinition(
                id=definition,
                incarnation=_incarnation(),
                revision=1,
                location="eastus",
                identifier=ImageIdentifier("bench", definition.definition, "standard"),
                os_type=OsType.LINUX,
            ),
        )
    for patch in range(count):
        definition = FEW if patch < FEW_VERSIONS else MANY
        _publish(tx, definition, VersionName(1, patch // 100, patch % 100))


def _publish(tx: Connection, definition: DefinitionId, name: VersionName) -> None:
    version = ImageVersion(
        id=definition.version(name),
        incarnation=_incarnation(),
        revision=1,
        location="eastus",
        target_regions=tuple(
            TargetRegion(name=region, replica_count=1, storage_account_type=_LRS)
            for region in _REGIONS
        ),
        replica_count=1,
        storage_account_type=_LRS,
        disks=(VersionDisk(lun=None, source="/images/debian.vhd"),),
        committed=True,
        published_at=_NOW,
        provisioning_state=ProvisioningState.SUCCEEDED,
    )
    versions.stage(tx, version, None)
    completed = [
        Replica(region=region, number=0, storage_account_type=_LRS, state=ReplicaState.COMPLETED)
        for region in _REGIONS
    ]
    replicas.plan(tx, version.id, completed)


def _incarnation() -> IncarnationId:
    return IncarnationId(uuid.uuid4().hex)


def _time_calls(report: Report, ctx: Context) -> None:
    works: Works = {
        "latest, anywhere": (lambda: _latest(ctx, MANY, None), LATEST_MS_MAX),
        "latest, in a region": (lambda: _latest(ctx, MANY, "westeurope"), LATEST_MS_MAX),
        f"list {FEW_VERSIONS} versions": (lambda: actions.list_of(ctx, FEW), LIST_MS_MAX),
        "list all other versions": (lambda: actions.list_of(ctx, MANY), None),
    }
    _report_calls(report, works)


def _report_calls(report: Report, works: Works) -> None:
    rows = []
    for name, (work, limit) in works.items():
        seconds, processor = _timed(work)
        figures = (median(seconds), max(seconds), median(processor))
        rows.append([name, *(number(figure * 1e3) for figure in figures)])
        report.data[name] = {
            "medianSeconds": median(seconds),
            "medianProcessorSeconds": median(processor),
            "calls": len(seconds),
        }
        if limit is not None:
            milliseconds = median(seconds) * 1e3
            floor = Floor(name=name, value=milliseconds, limit=limit, at_least=False, unit=" ms")
            report.floors.append(floor)
    report.tables.append(table(["call", "median ms", "slowest ms", "processor ms"], rows))


def _time_broad(report: Report, folder: Path, size: Size) -> None:
    """The same calls where there are many of everything, and those that look at all of it."""
    empty, broad = folder / "empty", folder / "broad"
    with _opened(empty) as app:
        with app.ctx.index.begin() as tx:
            fill_broad(tx, Size(0, 0, 0, size.regions), empty)
        alone = _publications(app.ctx, empty)
    with _opened(broad) as app:
        with app.ctx.index.begin() as tx:
            fill_broad(tx, size, broad)
        works: Works = {
            "broad: latest, in a region": (
                lambda: _latest(app.ctx, LONG, "region5"),
                LATEST_MS_MAX,
            ),
            f"broad: list {size.versions // 100} versions": (
                lambda: actions.list_of(app.ctx, LONG),
                LIST_MS_MAX,
            ),
            "broad: usage": (lambda: usage.report(app.ctx), USAGE_MS_MAX),
            "broad: cost": (lambda: costs.report(app.ctx), None),
        }
        _report_calls(report, works)
        _know_packs(app, size)
        among = _publications(app.ctx, broad)
    _report_publications(report, alone, among)


def _opened(folder: Path) -> AbstractContextManager[App]:
    folder.mkdir()
    environment = {
        "IMGREPL_INDEX": f"sqlite:///{folder}/index.db",
        "IMGREPL_STATE_DIR": str(folder),
        "IMGREPL_CACHE_DIR": str(folder),
        **{f"IMGREPL_{name}_MAX": "1000000" for name in ("GALLERIES", "DEFINITIONS", "VERSIONS")},
    }
    return open_app(load([], environment, None).settings, silent, threading.Event())


def _latest(ctx: Context, definition: DefinitionId, region: str | None) -> None:
    with ctx.index.read() as tx:
        actions.resolve_name(tx, definition, "latest", region)


def _know_packs(app: App, size: Size) -> None:
    """Makes the dedup cache know them, as if it had read their footers: one chunk each."""
    with app.ctx.engine.open_cache() as cache:
        for pack in packs_of_all(size):
            chunk = FrameEntry(ChunkId(bytes.fromhex(pack)), 2048, 4096, Codec.ZSTD)
            cache.add_pack(PackId(pack), [chunk])


def _publications(ctx: Context, folder: Path) -> Publications:
    """Each publication of a small disk to one region, the first one left out."""
    definition = GalleryId(gallery="published").definition("small")
    seconds, processor = [], []
    for patch in range(_PUBLICATIONS + 1):
        disk = folder / f"{patch}.raw"
        disk.write_bytes(random.Random(patch).randbytes(1 << 20))
        request = CreateVersion(
            id=definition.version(VersionName(1, 0, patch)),
            os_disk=str(disk),
            location="region0",
            create_parents=True,
        )
        started, used = time.perf_counter(), time.process_time()
        creating.create(ctx, request)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return Publications(median(seconds[1:]), median(processor[1:]))


def _report_publications(report: Report, alone: Publications, among: Publications) -> None:
    ratio = among.seconds / alone.seconds
    rows = [
        [name, *(number(figure * 1e3) for figure in figures)]
        for name, figures in (("into an empty index", alone), ("among all of these", among))
    ]
    report.tables.append(table(["a version is published", "median ms", "processor ms"], rows))
    report.data["publications"] = {"empty": alone._asdict(), "broad": among._asdict()}
    report.floors.append(
        Floor(
            name="broad: publishing, against an empty index",
            value=ratio,
            limit=PUBLISH_RATIO_MAX,
            at_least=False,
            unit=" x",
        )
    )


def _timed(work: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Seconds and processor seconds of each call, for about two seconds, the first one left out."""
    work()
    found: list[float] = []
    processor: list[float] = []
    until = time.perf_counter() + _SECONDS_PER_WORK
    while len(found) < _CALLS_MIN or time.perf_counter() < until:
        started, used = time.perf_counter(), time.thread_time()
        work()
        found.append(time.perf_counter() - started)
        processor.append(time.thread_time() - used)
    return found, processor


def _time_commands(report: Report, environment: dict[str, str], rounds: int) -> None:
    of_many = ("-r", "golden", "-i", "many")
    commands = {
        "imgrepl image-version show -e latest": ("show", *of_many, "-e", "latest"),
        "imgrepl image-version list": ("list", *of_many),
    }
    rows = []
    for name, words in commands.items():
        command = imgrepl("image-version", *words, environment=environment)
        costs = [measure(command) for _ in range(rounds)]
        rows.append([name, f"{median_of(costs).wall_seconds:.2f}"])
        report.data[name] = [cost.as_json() for cost in costs]
    report.tables.append(table(["command", "wall s"], rows))


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__ or "")
    add_rounds(parser)
    parser.add_argument("--versions", type=int, default=10_000, help="default 10000")
    return parser


if __name__ == "__main__":
    sys.exit(main())
