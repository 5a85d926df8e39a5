"""The Python door: staging, promoting, deleting into the bin and coming back."""

from pathlib import Path

import pytest

import imgrepl
from imgrepl.cli.app import main


def test_a_version_is_staged_promoted_deleted_and_brought_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(b"image" * 4096 + bytes(1 << 20))
    index = f"sqlite:///{tmp_path}/index.sqlite3"
    with imgrepl.connect(index) as client:
        client.add_region("eastus", f"file://{tmp_path}/east")
        client.publish("golden/debian/1.0.0", image, target_regions={"eastus": 2})
        client.publish("golden/debian/1.1.0", image, exclude_from_latest=True)
        assert str(client.show("golden/debian/latest").version.id.version) == "1.0.0"
        client.promote("golden/debian/1.1.0", regions=["eastus"])
        assert str(client.show("golden/debian/latest").version.id.version) == "1.1.0"
    assert main(["gallery", "update", "-r", "golden", "--soft-delete", "--index", index]) == 0
    capsys.readouterr()
    with imgrepl.connect(index) as client:
        assert client.delete("golden/debian/1.0.0")["softDeleted"] is True
        assert len(client.undelete("golden/debian/1.0.0").replicas) == 2
        client.delete("golden/debian/1.0.0")
        assert client.purge("golden/debian/1.0.0")["purged"] is True
        gone = client.delete("golden/debian/1.1.0", bypass_soft_delete=True)
        assert gone["softDeleted"] is False
        assert client.versions("golden/debian") == []
