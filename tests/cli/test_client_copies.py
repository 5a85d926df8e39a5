"""Copies by the Python door, between two indexes."""

import random
from pathlib import Path

import pytest

import imgrepl


def test_a_copy_from_another_index_by_the_python_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    image = tmp_path / "disk.raw"
    image.write_bytes(random.Random(1).randbytes(1 << 20))
    first, second = (f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("first", "second"))
    with imgrepl.connect(first) as client:
        client.add_region("eastus", f"file://{tmp_path}/east")
        client.publish("golden/debian/1.0.0", image, tags={"build": "7"})
        inside = client.copy("golden/debian/latest", "silver/debian/2.0.0")
        assert inside.transfer is not None
        assert inside.transfer.read_bytes == 0
    with imgrepl.connect(second) as client:
        client.add_region("westeurope", f"file://{tmp_path}/west")
        copied = client.copy(
            "golden/debian/1.0.0", "golden/debian/1.0.0", from_index=first, tags={"build": "8"}
        )
        assert dict(copied.version.tags) == {"build": "8"}
        client.download("golden/debian/1.0.0", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == image.read_bytes()
