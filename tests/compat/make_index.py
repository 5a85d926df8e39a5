"""Writes an index and its places as a program wrote them: `make_index.py /srv/images/NUMBER`.

Records keep the path of their disk, so that the folder's is one that says nothing.

Run once by the last program of each schema, and kept under the schema's number. What is there is
never written again: `test_old_indexes.py` reads it for ever. Where the next schema has come
already, `git archive` gives the program before it, and `PYTHONPATH` names its `src`.
"""

import getpass
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path

from blake3 import blake3

HERE = "@FOLDER@"
"""Stands in the dump for the folder in which the places lie."""

BLOCK_BYTES = 4096
DISK_BYTES = 1 << 20
DEFINITION = ("-r", "golden", "-i", "debian")
DISKS = {"1.0.0": (32, 0), "1.1.0": (16, 4), "1.2.0": (0, 6), "1.3.0": (32, 2)}
"""For each version the blocks that it has of a common text, and of one of its own."""


def disk_of(version: str) -> bytes:
    """A disk of text and holes."""
    common, own = DISKS[version]
    content = _text("debian", common) + bytes(8 * BLOCK_BYTES) + _text(version, own)
    return content.ljust(DISK_BYTES, b"\0")


def _text(name: str, blocks: int) -> bytes:
    lines = blocks * BLOCK_BYTES // 32
    noise = blake3(name.encode()).digest(3 * lines)
    numbers = (noise[at : at + 3].hex() for at in range(0, len(noise), 3))
    return b"".join(f"{name:>10}{number:>8} golden image\n".encode() for number in numbers)


def _act(folder: Path) -> None:
    """What a user does, with the program that is imported from here."""

    def imgrepl(*words: str) -> int:
        command = [sys.executable, "-m", "imgrepl", *words, "-o", "none"]
        url = f"sqlite:///{folder / 'index.db'}"
        environment = {**os.environ, "HOME": str(folder / "home"), "IMGREPL_INDEX": url}
        return subprocess.run(command, env=environment, check=False, timeout=120).returncode

    def publish(version: str, *regions: str) -> None:
        image = folder / f"{version}.raw"
        image.write_bytes(disk_of(version))
        create = ("image-version", "create", *DEFINITION, "-e", version, "--create-parents")
        done = imgrepl(
            *create, "--os-disk", str(image), "-l", "eastus", "--target-regions", *regions
        )
        assert done == 0, (version, done)

    for region in ("eastus", "westeurope"):
        assert imgrepl("region", "add", region, "--url", f"file://{folder / region}") == 0
    assert imgrepl("gallery", "create", "-r", "golden", "-l", "eastus") == 0
    publish("1.0.0", "eastus")
    publish("1.1.0", "eastus", "westeurope=2")
    publish("1.2.0", "eastus", "westeurope")
    assert imgrepl("image-version", "delete", *DEFINITION, "-e", "1.2.0", "--yes") == 0
    any(imgrepl("collect", *words) == 0 for words in ((), ("--yes",)))  # the first had none
    if imgrepl("gallery", "update", "-r", "golden", "--soft-delete") == 0:
        publish("1.3.0", "eastus")
        assert imgrepl("image-version", "delete", *DEFINITION, "-e", "1.3.0", "--yes") == 0


def _anywhere(line: str, work: Path) -> str:
    """A line of the dump that names neither the folder nor the machine it was made on."""
    line = line.replace(str(work), HERE).replace(f"'{getpass.getuser()}'", "'builder'")
    line = re.sub(r'"host": "[^"]*"', '"host": "builder"', line)
    return re.sub(r'"boot_id": "[^"]*"', f'"boot_id": "{uuid.UUID(int=0)}"', line)


def main(folder: Path) -> None:
    """Makes `folder` with the dump of an index and what lies in its two regions."""
    work = folder.with_name(f"{folder.name}.work").absolute()
    work.mkdir(parents=True)
    _act(work)
    folder.mkdir()
    with closing(sqlite3.connect(work / "index.db")) as index:
        lines = [_anywhere(line, work) for line in index.iterdump()]
    (folder / "index.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for region in ("eastus", "westeurope"):
        shutil.copytree(
            work / region, folder / region, ignore=shutil.ignore_patterns(".imgrepl-lock")
        )
    shutil.rmtree(work)
    sys.stdout.write(json.dumps(sorted(str(path) for path in folder.rglob("*"))) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
