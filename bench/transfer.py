"""Disk images to a server and back, imgrepl beside what people use today.

Rows, each run in turns with whole processes, medians shown:

  dense up, dense down   random bytes: nothing to skip, nothing to compress
  v1                     a first system, 8 GiB raw, mostly empty, into an empty store
  v3, v3 rebuilt         its third version, into a store that has the two before: changed in place,
                         or built anew each time
  v3 restored            back to a raw file

Server and downloads are in memory, indexes and caches on a disk. Each contender has a store of its
own that is put back before every run. A peer that this machine lacks is named and left out; one
that takes more than 20 s runs twice. borg and casync write to folders, and run beside the first
server only. Sent bytes are what a store grew by, but for imgrepl, which says itself and is checked
by counting what crosses the wire in a run that is not timed. The mark, fast_path.py, is timed as it
times itself, without the start of Python.

    python bench/transfer.py --images .cache/images/debian
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.bench import Bench, missing, version_of
from harness.contenders import (
    Borg,
    Casync,
    Contender,
    FastPath,
    Imgrepl,
    Mc,
    QemuMc,
    Rclone,
    Restic,
    S5cmd,
)
from harness.images import raw_images, same_content, warm, write_random
from harness.measuring import Cost, measure
from harness.options import (
    add_images,
    add_places,
    add_rounds,
    folders,
    free_bytes,
    parser_of,
)
from harness.rows import Row, in_turns, table_of
from harness.servers import installed, running
from harness.tables import Report, publish
from harness.transfer_floors import floors_of
from harness.wire import counting

COPIERS: Sequence[type[Contender]] = (Mc, S5cmd, Rclone, Imgrepl)
STORERS: Sequence[type[Contender]] = (Mc, S5cmd, QemuMc, Restic, Borg, Casync, Imgrepl)
VERSIONERS: Sequence[type[Contender]] = (QemuMc, Restic, Borg, Casync, Imgrepl)
IMAGES = ["v1", "v2", "v3", "v2r", "v3r"]
ROWS = ("dense", "v1", "v3")

_MARK = re.compile(r": ([\d.]+) s, ([\d.]+) CPU-s, .* sent ([\d.]+) MB")


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 also where floors are missed, which the report says."""
    asked = _parser().parse_args(arguments)
    report = Report(title="Transfers")
    images = raw_images(asked.images, IMAGES)
    report.notes += _notes(asked, has_images=images is not None)
    for path in (images or {}).values():
        warm(path)
    local: dict[str, Row] = {}
    for kind in installed(asked.servers, report):
        with folders(asked) as (disk, memory), running(kind, memory / "server") as server:
            bench = Bench(server=server, disk=disk, memory=memory)
            transfers = Transfers(bench, asked.rounds, report, local)
            if "dense" in asked.rows:
                transfers.dense(asked.dense_mib << 20)
            if images is not None and "v1" in asked.rows:
                transfers.first(images["v1"])
            if images is not None and "v3" in asked.rows:
                transfers.third("v3", [images[name] for name in ("v1", "v2", "v3")])
                transfers.third("v3 rebuilt", [images[name] for name in ("v1", "v2r", "v3r")])
            transfers.finish()
    publish(report, asked.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__ or "")
    add_images(parser)
    add_places(parser)
    add_rounds(parser)
    parser.add_argument("--dense-mib", type=int, default=1024, help="default 1024")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="default: all")
    return parser


def _notes(asked: argparse.Namespace, *, has_images: bool) -> list[str]:
    programs = sorted({program for kind in (*COPIERS, *STORERS) for program in kind.programs})
    lacking = missing(programs)
    notes = [
        f"Median of {asked.rounds}, {os.cpu_count()} processors. Peers: "
        + "; ".join(version_of(program) for program in programs if program not in lacking)
        + "."
    ]
    notes += [
        f"**{name} is not on this machine and left out** ({how})." for name, how in lacking.items()
    ]
    if not has_images and set(asked.rows) != {"dense"}:
        notes.append(
            "**The rows v1 and v3 are left out**: --images names no folder that has all of"
            f" {', '.join(f'{name}.raw' for name in IMAGES)}."
        )
    return notes


@dataclass(frozen=True, kw_only=True)
class Wire:
    """What crossed the wire in a run that was counted and not timed."""

    writing_requests: int
    body_bytes: int


class Transfers:
    """All rows against one server.

    `local` has the rows of contenders that use no server: they run beside the first one only, and
    what they took then stands in the rows of every later one.
    """

    def __init__(self, bench: Bench, rounds: int, report: Report, local: dict[str, Row]) -> None:
        self._bench = bench
        self._rounds = rounds
        self._report = report
        self._local = local
        self._rows: list[Row] = []
        self._wire: dict[str, dict[str, Wire]] = {}

    def dense(self, length_bytes: int) -> None:
        """Rows "dense up" and "dense down"."""
        image = self._bench.memory / "dense.raw"
        write_random(image, length_bytes)
        up, down = self._row("dense up"), self._row("dense down")

        def there_and_back(kind: type[Contender]) -> None:
            contender = self._opened(kind)
            self._store(up, contender, image, "dense")
            self._fetch(down, contender, image, "dense")
            contender.close()

        works = {kind.title: partial(there_and_back, kind) for kind in self._running(COPIERS)}
        works[FastPath.title] = partial(self._mark, up, [image])
        in_turns(self._rounds, works, [up])
        image.unlink()

    def first(self, image: Path) -> None:
        """Row "v1": into an empty store."""
        row = self._row("v1 as raw")

        def store(kind: type[Contender]) -> None:
            contender = self._opened(kind)
            self._store(row, contender, image, "v1")
            contender.close()

        works = {kind.title: partial(store, kind) for kind in self._fitting(image)}
        works[FastPath.title] = partial(self._mark, row, [image])
        in_turns(self._rounds, works, [row])

    def third(self, name: str, generations: Sequence[Path]) -> None:
        """Rows for the third of `generations` after the first two, and for getting it back."""
        *earlier, image = generations
        up, down = self._row(name), self._row(f"{name} restored")
        contenders = [self._opened(kind) for kind in self._running(VERSIONERS)]
        for contender in contenders:
            for path in earlier:
                measure(contender.store(path, path.stem))
            contender.save()

        def there_and_back(contender: Contender) -> None:
            self._store(up, contender, image, image.stem)
            self._fetch(down, contender, image, image.stem)
            contender.restore()

        works = {contender.title: partial(there_and_back, contender) for contender in contenders}
        works[FastPath.title] = partial(self._mark, up, list(generations))
        in_turns(self._rounds, works, [up])
        for contender in contenders:
            contender.close()
        self._wire[name] = {
            kind.title: self._counted(kind, generations) for kind in _present((Imgrepl, Restic))
        }

    def finish(self) -> None:
        """Puts the rows into the report."""
        self._share_local()
        title = self._bench.server.title
        wire_rows = [
            f"{work}: {title} sent {wire.body_bytes / 1e6:.1f} MB in {wire.writing_requests} "
            "requests that write"
            for work, by_title in self._wire.items()
            for title, wire in by_title.items()
        ]
        self._report.tables.append(f"### {title}")
        self._report.tables.append(table_of(self._rows, Imgrepl.title))
        if wire_rows:
            self._report.tables.append("On the wire, counted: " + "; ".join(wire_rows) + ".")
        floors = floors_of(
            self._rows,
            {
                work: (wires[Imgrepl.title].body_bytes, wires[Imgrepl.title].writing_requests)
                for work, wires in self._wire.items()
            },
        )
        kind = self._bench.server.kind
        self._report.floors += [replace(f, name=f"{kind}: {f.name}") for f in floors]
        self._report.data[kind] = {
            "server": title,
            "rows": [row.as_json() for row in self._rows],
            "wire": {
                work: {title: vars(wire) for title, wire in wires.items()}
                for work, wires in self._wire.items()
            },
        }

    def _running(self, kinds: Sequence[type[Contender]]) -> list[type[Contender]]:
        """Those that this machine has, without those that have run beside an earlier server."""
        return [kind for kind in _present(kinds) if kind.uses_server or not self._local]

    def _share_local(self) -> None:
        titles = [kind.title for kind in STORERS if not kind.uses_server]
        if not self._local:
            self._local.update({row.name: row.of(titles) for row in self._rows})
        for row in self._rows:
            row.take(self._local[row.name])

    def _row(self, name: str) -> Row:
        row = Row(name)
        self._rows.append(row)
        return row

    def _opened(self, kind: type[Contender], endpoint_url: str | None = None) -> Contender:
        contender = kind(self._bench, endpoint_url or self._bench.server.endpoint_url)
        contender.open()
        return contender

    def _store(self, row: Row, contender: Contender, image: Path, name: str) -> None:
        before = contender.stored_bytes()
        cost = measure(contender.store(image, name))
        row.add(contender.title, cost)
        sent = contender.sent_bytes(cost)
        row.sent_bytes[contender.title] = (
            sent if sent is not None else contender.stored_bytes() - before
        )

    def _fetch(self, row: Row, contender: Contender, image: Path, name: str) -> None:
        target = self._bench.memory / "fetched"
        row.add(contender.title, measure(contender.fetch(name, target)))
        found = target if target.is_file() else next(p for p in target.rglob("*") if p.is_file())
        if len(row.costs[contender.title]) == 1 and not same_content(found, image):
            raise RuntimeError(f"{contender.title} gave back other bytes than {image}")
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def _mark(self, row: Row, images: list[Path]) -> None:
        mark = FastPath(self._bench, self._bench.server.endpoint_url)
        mark.open()
        cost = measure(mark.store_all(images))
        mark.close()
        found = _MARK.search(cost.output.splitlines()[-1])
        assert found is not None, cost.output
        wall, cpu, sent = (float(text) for text in found.groups())
        row.add(mark.title, Cost(wall_seconds=wall, cpu_seconds=cpu, peak_bytes=cost.peak_bytes))
        row.sent_bytes[mark.title] = int(sent * 1e6)

    def _counted(self, kind: type[Contender], generations: Sequence[Path]) -> Wire:
        with counting(self._bench.server.endpoint_url) as (endpoint_url, counted):
            contender = self._opened(kind, endpoint_url)
            for path in generations:
                counted.reset()
                measure(contender.store(path, path.stem))
            wire = Wire(writing_requests=counted.writing_requests, body_bytes=counted.body_bytes)
        contender.close()
        return wire

    def _fitting(self, image: Path) -> list[type[Contender]]:
        """Those that this machine has, without copiers of whole files that do not fit in memory."""
        present = self._running(STORERS)
        if free_bytes(self._bench.memory) > image.stat().st_size * 5 // 4:
            return present
        self._report.notes.append(
            f"**mc, s5cmd are left out of v1**: {image} whole does not fit into memory here."
        )
        return [kind for kind in present if kind not in (Mc, S5cmd)]


def _present(kinds: Sequence[type[Contender]]) -> list[type[Contender]]:
    return [kind for kind in kinds if not missing(list(kind.programs))]


if __name__ == "__main__":
    sys.exit(main())
