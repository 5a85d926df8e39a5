"""A tour of imgrepl on this machine, in under three minutes.

Starts three real S3 servers, publishes an image as 1.0.0 to all of them, changes some of it,
publishes that as 1.1.0, downloads the latest from the third region and proves that it is equal.
Every step is the command a user would type, and is shown. Run again, it goes on where it stood.
`imgrepl lab down --delete` removes all of it.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imgrepl.lab.sample_disk import make_sample
from imgrepl.lab.state import scratch_folder

GALLERY = "golden"
FIRST, SECOND = "1.0.0", "1.1.0"
TARGETS = ("eastus=2", "westeurope=1", "southeastasia=3")
HOME, THIRD = "eastus", "southeastasia"
ADDED_BYTES = 4 << 20
BLOCK_BYTES = 4096
GO_ON = "`make quickstart` goes on from here"
BIN = Path(sys.executable).parent

console = Console()


@dataclass(frozen=True, kw_only=True)
class Tour:
    """What this tour publishes and where it keeps what it makes."""

    folder: Path
    image: str

    @property
    def named(self) -> tuple[str, ...]:
        """The options that name the image."""
        return ("-r", GALLERY, "-i", self.image)


def main() -> int:
    """The exit status: that of the first command that failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="your own disk: VHD, VHDX, qcow2 or raw")
    given: Path | None = parser.parse_args().image
    started = time.monotonic()
    tour = begin(given)
    step("Three regions: one S3 server each")
    refuse_to_touch_other_regions()
    for server in imgrepl("lab", "up"):
        console.print(f"{server['region']}: {server['endpointUrl']}", highlight=False)
    step(f"Version {FIRST}: {'your image' if given else 'a disk with files of this machine'}")
    source = given.absolute() if given else sample(tour, 1)
    first = publish(tour, source, FIRST)
    step(f"Version {SECOND}: the same disk after a change")
    changed = more_of(tour, source) if given else sample(tour, 2)
    second = publish(tour, changed, SECOND)
    step(f"The latest version, downloaded from {THIRD}")
    prove_equal(tour, changed)
    show(tour, first, second)
    console.print(f"[dim]{time.monotonic() - started:.0f} s[/]")
    return 0


def begin(given: Path | None) -> Tour:
    """Finds the lab's folder: what the tour makes lies in it, and goes with it."""
    if given and not given.is_file():
        stop(f"there is no file {given}", 3)
    settings = {one["name"]: one["value"] for one in run("config", "show")}
    folder = scratch_folder(Path(settings["state_dir"]).absolute() / "lab")
    folder.mkdir(parents=True, exist_ok=True)
    stem = given.stem if given else "sample"
    return Tour(folder=folder, image=re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:60] or "image")


def refuse_to_touch_other_regions() -> None:
    """Stops where the index has a region of this name that is not on this machine."""
    names = {target.partition("=")[0] for target in TARGETS}
    for region in run("region", "list"):
        if region["name"] in names and "//127.0.0.1:" not in (region["endpoint"] or ""):
            stop(
                f"your index has a region {region['name']} at {region['url']}, and the tour is not "
                "to touch it: name another index, IMGREPL_INDEX=sqlite:////tmp/tour.db",
                4,
            )


def sample(tour: Tour, generation: int) -> Path:
    """The sample disk of this generation, made once."""
    path = tour.folder / f"sample-v{generation}.vhd"
    if not path.exists():
        with console.status("Making a disk of 1 GiB from files of this machine"):
            make_sample(tour.folder / "unfinished", generation, overwrite=True).rename(path)
    return path


def more_of(tour: Tour, given: Path) -> Path:
    """The given disk with 4 MiB of files in blocks that were empty; what it held stays as it was.

    Shows what an update costs. It is not meant to be booted.
    """
    path = tour.folder / f"{tour.image}-{SECOND}.raw"
    if path.exists():
        return path
    draft = path.with_suffix(".unfinished")
    download(tour, FIRST, draft)
    with draft.open("r+b") as disk:
        gaps = [gap for gap in holes(disk.fileno()) if gap[1] >= ADDED_BYTES]
        if not gaps:
            stop(f"{given} has no {ADDED_BYTES >> 20} MiB of empty blocks to change", 5)
        disk.seek(gaps[0][0])
        disk.write(files_of_python(ADDED_BYTES))
    return draft.rename(path)


def holes(descriptor: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each hole of a sparse file."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    offset = os.lseek(descriptor, 0, os.SEEK_HOLE)
    while offset < end:
        try:
            data = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError:  # no data behind this hole
            data = end
        yield offset, data - offset
        offset = os.lseek(descriptor, data, os.SEEK_HOLE) if data < end else end


def files_of_python(bytes_max: int) -> bytes:
    """The same bytes in every run: the standard library, each file in blocks of its own."""
    content = bytearray()
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        body = path.read_bytes()
        content += body + bytes(-len(body) % BLOCK_BYTES)
    return bytes(content[:bytes_max])


def publish(tour: Tour, disk: Path, version: str) -> dict[str, Any]:
    """The version as `create` reports it; one that is there already is a success.

    What its publishing moved is kept for the next tour, which has nothing left to move.
    """
    answer: dict[str, Any] = imgrepl(
        *("image-version", "create", *tour.named, "-e", version),
        *("--os-disk", str(disk), "--create-parents", "-l", HOME),
        *("--target-regions", *TARGETS),
    )
    record = tour.folder / f"{tour.image}-{version}.json"
    moved = answer["imgrepl"].get("transfer")
    if moved and moved["sentBytes"]:
        record.write_text(json.dumps(moved), encoding="utf-8")
    elif record.exists():
        answer["imgrepl"]["transfer"] = json.loads(record.read_text(encoding="utf-8"))
    return answer


def download(tour: Tour, version: str, path: Path) -> None:
    """The version's disk as a raw file, from the third region."""
    imgrepl(
        *("image-version", "download", *tour.named, "-e", version, "--region", THIRD),
        *("--format", "raw", "--file", str(path), "--overwrite"),
    )


def prove_equal(tour: Tour, published: Path) -> None:
    """Digests both disks as a guest would see them, byte for byte, and compares."""
    copy = tour.folder / "latest.raw"
    download(tour, "latest", copy)
    digests = [
        imgrepl("image", "inspect", str(path), "--sha256")["sha256"] for path in (published, copy)
    ]
    copy.unlink()
    if None in digests or digests[0] != digests[1]:
        stop(f"the download is not what was published: {digests[0]}, {digests[1]}", 6)
    console.print(f"[green]Equal:[/] the guest sees SHA-256 {digests[0]} in both.")


def show(tour: Tour, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Where the replicas are, what each version cost, and what to type next."""
    console.print(replica_table(tour, first, second), byte_table(first, second), sep="\n")
    named = shlex.join(tour.named)
    lines = [
        f"export PATH={shlex.quote(str(BIN))}:$PATH",
        f"imgrepl image-version list {named}",
        f"imgrepl image-version status {named} -e latest",
        f"imgrepl image-version verify {named} -e latest --deep",
        f"imgrepl image-version download {named} -e latest --format qcow2 --file latest.qcow2",
        f"imgrepl usage -r {GALLERY}",
        "imgrepl lab down --delete    # ends the servers and removes all of this",
    ]
    console.print("\n[bold]Go on with[/]")
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)


def replica_table(tour: Tour, *versions: Mapping[str, Any]) -> Table:
    """The state of each replica of each version."""
    table = Table(title=f"{GALLERY}/{tour.image}: where it stands", title_justify="left")
    table.add_column("Region")
    table.add_column("Replica", justify="right")
    states: dict[tuple[str, int], list[str]] = {}
    for version in versions:
        table.add_column(version["name"])
        for replica in version["imgrepl"]["replicas"]:
            at = (replica["region"], replica["replica"])
            states.setdefault(at, []).append(replica["state"])
    for (region, number), found in states.items():
        table.add_row(region, str(number), *found)
    return table


def byte_table(*versions: Mapping[str, Any]) -> Table:
    """Sizes of the disks, and what publishing them moved."""
    table = Table(title="What it took", title_justify="left")
    table.add_column("Bytes")
    for version in versions:
        table.add_column(version["name"], justify="right")
    disks = [version["imgrepl"]["disks"] for version in versions]
    moved = [version["imgrepl"].get("transfer") for version in versions]
    for title, key in (("provisioned", "provisionedBytes"), ("occupied", "occupiedBytes")):
        table.add_row(title, *(human(sum(disk[key] for disk in each)) for each in disks))
    table.add_section()
    for title, key in (
        ("new", "newBytes"),
        ("sent, all regions", "sentBytes"),
        ("copied by the servers", "serverCopiedBytes"),
    ):
        table.add_row(title, *(human(each[key]) if each else "unknown" for each in moved))
    return table


def human(count: float) -> str:
    """In the largest binary unit that leaves a whole number before the point."""
    unit, *larger = ("B", "KiB", "MiB", "GiB", "TiB")
    while count >= 1024 and larger:
        count /= 1024
        unit, *larger = larger
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def step(title: str) -> None:
    """Says what comes next."""
    console.print(f"\n[bold]{escape(title)}[/]")


def imgrepl(*arguments: str) -> Any:  # noqa: ANN401 - each command has its own shape
    """Shows the command, runs it and gives its result; its progress goes to the terminal."""
    line = shlex.join(["imgrepl", *arguments])
    console.print(f"[dim]$ {escape(line)}[/]", soft_wrap=True, highlight=False)
    return run(*arguments)


def run(*arguments: str) -> Any:  # noqa: ANN401
    """The command's JSON. Where it fails, its error is on stderr already and the tour ends."""
    command = [str(BIN / "imgrepl"), *arguments, "--output", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        stop(f"`imgrepl {' '.join(arguments[:2])}` failed; {GO_ON}", done.returncode)
    return json.loads(done.stdout)


def stop(reason: str, status: int) -> NoReturn:
    """Ends the tour with its reason. The servers stay."""
    console.print(f"[red]Stopped:[/] {escape(reason)}", soft_wrap=True)
    sys.exit(status)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        stop(f"interrupted; {GO_ON}", 130)
