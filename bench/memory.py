"""Peak memory of whole processes, for disks of any size: under 300 MiB.

Two disks that no machine has to hold:

  sparse     1 TiB that is a hole but for 256 MiB of random data at 64 places, a file of this
             machine, published to a real server, planned and downloaded to a file again
  generated  dense content of which no two blocks are alike, nothing compresses and nothing is
             deduplicated, read from an S3 server that makes it up and published to one that keeps
             footers only and makes the payload again when it is read (`harness/endless.py`).
             64 GiB by default; `--gib 1024` takes hours. A smaller one beside it shows that
             memory does not grow with the disk.

For each: ingest is `imgrepl image-version create`, plan is the same command with --dry-run for
another version (it reads, cuts and looks up everything and sends nothing), and download is
`imgrepl image-version download`. A generated disk is downloaded with a writer that checks every
chunk's place and lets it go, as no file could take it; every chunk's digest is proven as ever.

    python bench/memory.py --gib 4 64
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.bench import Bench, imgrepl
from harness.contenders import Imgrepl
from harness.images import same_content
from harness.measuring import Command, Cost, measure
from harness.options import add_places, folders, parser_of
from harness.servers import PROJECT, installed, running
from harness.tables import Floor, Report, mebibytes, number, publish, table

PEAK_MIB_MAX = 300.0
SPARSE_BYTES = 1 << 40
_PLACES = 64
_DATA_BYTES = 4 << 20
_HARNESS = PROJECT / "bench" / "harness"
_VERSION = ("-r", "bench", "-i", "image", "-e")


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 also where the floor is missed, which the report says."""
    asked = _parser().parse_args(arguments)
    report = Report(title="Peak memory")
    costs: dict[str, dict[str, Cost]] = {}
    with folders(asked) as (disk, memory):
        if "sparse" in asked.disks:
            for kind in installed(asked.servers, report):
                with running(kind, memory / kind) as server:
                    bench = Bench(server=server, disk=disk, memory=memory)
                    costs[f"sparse 1 TiB ({kind})"] = sparse(bench)
        if "generated" in asked.disks:
            for gib in asked.gib:
                folder = disk / f"{gib}gib"
                folder.mkdir()
                costs[f"generated {gib} GiB"] = generated(gib, folder)
    _fill(report, costs)
    publish(report, asked.json)
    return 0


def sparse(bench: Bench) -> dict[str, Cost]:
    """Costs by stage for the sparse disk; what was downloaded is compared."""
    image, target = bench.disk / "sparse.raw", bench.disk / "sparse-again.raw"
    _write_sparse(image)
    contender = Imgrepl(bench, bench.server.endpoint_url)
    contender.open()
    store = contender.store(image, "1")
    costs = {
        "ingest": measure(store),
        "plan": measure(_planning(contender.store(image, "2"))),
        "download": measure(contender.fetch("1", target)),
    }
    if not same_content(image, target):
        raise RuntimeError("the sparse disk came back with other bytes")
    contender.close()
    image.unlink()
    target.unlink()
    return costs


def generated(gib: int, folder: Path) -> dict[str, Cost]:
    """Costs by stage for the generated disk of this size."""
    with _endless(folder) as endpoint_url:
        environment = {
            "AWS_ACCESS_KEY_ID": "endless",
            "AWS_SECRET_ACCESS_KEY": "endless",
            "AWS_ENDPOINT_URL": endpoint_url,
            "IMGREPL_INDEX": f"sqlite:///{folder}/index.db",
            "IMGREPL_STATE_DIR": str(folder / "state"),
            "IMGREPL_CACHE_DIR": str(folder / "cache"),
        }
        place = ("--url", "s3://endless", "--endpoint", endpoint_url, "--addressing", "path")
        measure(imgrepl("region", "add", "bench", *place, environment=environment))
        create = imgrepl(
            *("image-version", "create", *_VERSION, "1.0.1", "-l", "bench", "--create-parents"),
            *("--os-disk", f"s3://disks/{gib}gib.raw"),
            environment=environment,
        )
        another = [item.replace("1.0.1", "1.0.2") for item in create.arguments]
        return {
            "ingest": measure(create),
            "plan": measure(_planning(replace(create, arguments=another))),
            "download": measure(_discarding_download(folder, environment)),
        }


def _planning(create: Command) -> Command:
    return replace(create, arguments=[*create.arguments, "--dry-run"])


def _discarding_download(folder: Path, environment: dict[str, str]) -> Command:
    usual = imgrepl(
        *("image-version", "download", *_VERSION, "1.0.1", "--file", str(folder / "no-file")),
        environment=environment,
    )
    program = (sys.executable, str(_HARNESS / "discarding_download.py"))
    return replace(usual, arguments=[*program, *usual.arguments[1:]])


@contextmanager
def _endless(folder: Path) -> Iterator[str]:
    """The endpoint of a server of endless disks; it ends with this process."""
    server = subprocess.Popen(
        [sys.executable, str(_HARNESS / "endless.py"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.communicate()


def _write_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)
        for number_of_place in range(_PLACES):
            # not aligned to segments, and one of them at the very end
            offset = (number_of_place + 1) * (SPARSE_BYTES // _PLACES) - _DATA_BYTES
            os.pwrite(file.fileno(), os.urandom(_DATA_BYTES), offset)


def _fill(report: Report, costs: dict[str, dict[str, Cost]]) -> None:
    rows = []
    for disk, stages in costs.items():
        for stage, cost in stages.items():
            rows.append(
                [
                    f"{disk}, {stage}",
                    mebibytes(cost.peak_bytes),
                    number(cost.wall_seconds),
                    number(cost.cpu_seconds),
                ]
            )
            peak_mib = cost.peak_bytes / (1 << 20)
            report.floors.append(
                Floor(
                    name=f"{disk}, {stage}: peak memory",
                    value=peak_mib,
                    limit=PEAK_MIB_MAX,
                    at_least=False,
                    unit=" MiB",
                )
            )
    report.tables.append(table(["disk and stage", "peak MiB", "wall s", "CPU s"], rows))
    report.data = {
        disk: {stage: cost.as_json() for stage, cost in stages.items()}
        for disk, stages in costs.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__ or "")
    add_places(parser)
    parser.add_argument(
        "--gib", nargs="+", type=int, default=[4, 64], help="generated sizes; default 4 64"
    )
    parser.add_argument(
        "--disks",
        nargs="+",
        choices=("sparse", "generated"),
        default=["sparse", "generated"],
        help="default: both",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
