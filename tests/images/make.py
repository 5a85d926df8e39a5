"""Makes the images that tests, benchmarks and people try things with.

    python tests/images/make.py --mode debian|synthetic|hostile|files [--size 8G] OUTDIR

debian     three generations of a real Debian, in place and rebuilt (root on Debian, a mirror); 8G
synthetic  three generations of a seeded disk of which every byte is known; 1G
hostile    117 damaged and hostile images with the verdict a reader must give
files      two generations of a disk of this machine's own files, rebuilt and in place; 1G

Ends with status 3 when this machine cannot make them, and says what is missing.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images.filesystem import change_some_files, make_disk
from images.hostile import write_hostile_images
from images.synthetic import write_generations
from imgrepl.lab.ext4 import can_make_ext4

_PROJECT = Path(__file__).resolve().parents[2]
_UNITS = {"M": 1 << 20, "G": 1 << 30}
_SIZE_BYTES = {"debian": 8 * _UNITS["G"], "synthetic": _UNITS["G"], "files": _UNITS["G"]}


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    asked = _parser().parse_args(arguments)
    asked.folder.mkdir(parents=True, exist_ok=True)
    size = asked.size or _SIZE_BYTES.get(asked.mode, 0)
    match asked.mode:
        case "hostile":
            write_hostile_images(asked.folder)
        case "synthetic":
            write_generations(asked.folder, size)
        case "files":
            _make_files(asked.folder, size)
        case "debian":
            return _make_debian(asked.folder, size, asked.cache)
    return 0


def size_bytes(text: str) -> int:
    """`512M`, `8G`: a positive multiple of 1 MiB."""
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdigit() or int(text[:-1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: a number and M or G, as in 512M")
    return int(text[:-1]) * unit


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mode", choices=("debian", "synthetic", "hostile", "files"), required=True
    )
    parser.add_argument("--size", type=size_bytes, help="virtual size; else the mode's own")
    parser.add_argument(
        "--cache",
        type=Path,
        default=_PROJECT / ".cache" / "images",
        help="where debian keeps its base system and packages",
    )
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    return parser


def _make_files(folder: Path, size: int) -> None:
    v1 = folder / "v1.vhd"
    make_disk(v1, size)
    make_disk(folder / "v2-rebuilt.vhd", size, generation=2)
    if can_make_ext4():
        change_some_files(v1, folder / "v2-patched.vhd", size, generation=2)


def _make_debian(folder: Path, size: int, cache: Path) -> int:
    script = Path(__file__).with_name("debian.sh")
    return subprocess.run(
        ["bash", script, folder, str(size), cache], env=os.environ, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
