"""The 117 damaged and hostile images, each with the verdict a reader must give.

    python tests/images/hostile.py OUTDIR

writes them all, with their verdicts in `bad.json`. Made without any image tool.
"""

import json
import sys
from pathlib import Path

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images.hostile_qcow2 import hostile_qcow2s
from images.hostile_vhd import hostile_vhds
from images.hostile_vhd_parents import hostile_children
from images.hostile_vhdx import hostile_vhdxs
from images.hostile_vmdk import hostile_vmdks
from images.verdicts import HostileImage


def hostile_images() -> list[HostileImage]:
    """All of them, the same bytes in every run. Children name their parents by file name."""
    return [
        *hostile_vhds(),
        *hostile_children(),
        *hostile_vhdxs(),
        *hostile_qcow2s(),
        *hostile_vmdks(),
    ]


def write_hostile_images(folder: Path) -> list[HostileImage]:
    """Makes `folder` and writes every image and `bad.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = hostile_images()
    for image in images:
        image.data.write_to(folder / image.name)
    verdicts = [{"file": i.name, "verdict": i.verdict, "why": i.why} for i in images]
    (folder / "bad.json").write_text(json.dumps(verdicts, indent=1) + "\n")
    return images


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/images/hostile.py OUTDIR")
    sys.stdout.write(f"{len(write_hostile_images(Path(sys.argv[1])))} files\n")
