"""What the page of sharing shows of Python is what happens."""

import os
import random
import re
from pathlib import Path

import pytest

import imgrepl

VERSION, ROLES = "golden/debian/1.0.0", "Owner or Contributor"
PAGE = Path(__file__).parents[2] / "docs" / "sharing.md"


def script(name: str) -> str:
    """The block behind a marker of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(
        rf"<!-- runs: {name} -->\n\n```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"{PAGE} has no block {name}"
    return found[1]


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs it where its index is the only one, and its files stay in `folder`."""
    for variable in [one for one in os.environ if one.startswith("IMGREPL_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("IMGREPL_INDEX", f"sqlite:///{folder}/index.sqlite3")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    exec(script(name), {})


def test_the_block_of_sharing_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(random.Random(3).randbytes(1 << 20))
    index = f"sqlite:///{tmp_path}/index.sqlite3"
    with imgrepl.connect(index) as client:
        client.add_region("eastus", f"file://{tmp_path}/east")
        client.publish("golden/debian/1.0.0", image)

    run("sharing", tmp_path, monkeypatch)

    assert capsys.readouterr().out.splitlines() == [
        "group:operators Role Contributor",
        "alice Role Reader",
        "False alice has Reader on golden/debian, which does not reach up to golden",
        "default-GOLDEN Pending",
        f"bob may not do galleries/images/versions/delete on {VERSION}: it needs {ROLES} there",
        "[<SharingState.SUCCEEDED: 'Succeeded'>]",
    ]
    assert (tmp_path / "debian.raw").read_bytes() == image.read_bytes()
    with imgrepl.connect(index, principal="anybody") as client:
        (public,) = client.sharing.community_galleries()
        assert public.sharing.community is not None
        assert public.sharing.community.public_name.startswith("contoso-")
        assert [one.how for one in client.sharing.mine()] == ["Community"]
        with pytest.raises(imgrepl.NotAllowed, match="roleAssignments/write"):
            client.sharing.grant("golden", "anybody", "Owner")
    with imgrepl.connect(index) as client:
        assert client.sharing.revoke("golden", "group:operators") == ["Contributor"]
        assert [one.who for one in client.sharing.access("golden")] == ["everybody"]


def test_a_version_alone_names_nothing(tmp_path: Path) -> None:
    with (
        imgrepl.connect(f"sqlite:///{tmp_path}/index.sqlite3") as client,
        pytest.raises(TypeError, match="give image as well"),
    ):
        client.sharing.access("golden", version="1.0.0")


@pytest.mark.parametrize("name", ["", "a//b", "a/b/c/d"])
def test_what_names_no_gallery_is_refused(tmp_path: Path, name: str) -> None:
    with (
        imgrepl.connect(f"sqlite:///{tmp_path}/index.sqlite3") as client,
        pytest.raises(imgrepl.Invalid) as refused,
    ):
        client.sharing.access(name)
    assert refused.value.code == "InvalidGalleryReference"
