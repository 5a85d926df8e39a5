"""A link from the command line to a real server, followed by somebody without credentials."""

import hashlib
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import imgrepl
from docs.test_sharing_page import run
from e2e.command_line import DEFINITION, VERSION, Cli
from servers import server_of


def fetched(url: str) -> bytes:
    """What anybody gets."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


@pytest.mark.servers
def test_a_link_is_followed_by_curl_until_it_is_revoked(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    cli.add_region("eastus", server_of("seaweedfs"))
    create = ("image-version", "create", *VERSION, "--os-disk", image, "--create-parents")
    assert cli(*create, "-l", "eastus").status == 0

    made = cli("image-version", "link", *DEFINITION, "-e", "latest", "--format", "raw").out
    again = cli("image-version", "link", *VERSION, "--format", "raw", "--expires-in", "5m").out
    assert (made["reused"], again["reused"]) == (False, True)
    copy = tmp_path / "copy.img"
    if shutil.which("curl"):
        subprocess.run(["curl", "-fsS", "-o", copy, again["url"]], check=True, timeout=60)
    else:
        copy.write_bytes(fetched(again["url"]))
    assert copy.read_bytes() == image.read_bytes()
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == made["sha256"]

    listed = cli("image-version", "list-links", *VERSION).out
    assert [(one["format"], one["fileBytes"]) for one in listed] == [("raw", copy.stat().st_size)]
    assert cli("image-version", "revoke-links", *VERSION, "--yes").out == listed
    with pytest.raises(urllib.error.HTTPError) as gone:
        fetched(made["url"])
    gone.value.close()
    assert gone.value.code == 404


def test_a_directory_says_that_it_gives_out_no_links(one_region: Cli, image: Path) -> None:
    create = ("image-version", "create", *VERSION, "--os-disk", image, "--create-parents")
    assert one_region(*create).status == 0
    refused = one_region("image-version", "link", *VERSION)
    assert (refused.status, refused.error["code"]) == (5, "LinkNotPossible")
    assert "image-version download" in refused.error["hint"]


@pytest.mark.servers
def test_the_block_of_links_on_the_page_of_sharing_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = server_of("seaweedfs")
    source = tmp_path / "small.raw"
    source.write_bytes(bytes(range(256)) * 4096)
    place = server.new_endpoint()
    for name, text in server.environment.items():
        monkeypatch.setenv(name, text)
    with imgrepl.connect(f"sqlite:///{tmp_path}/index.sqlite3") as client:
        client.add_region(
            "eastus", place.url, endpoint_url=place.endpoint_url, credentials_env="TEST"
        )
        client.publish("golden/debian/1.0.0", source)

    run("links", tmp_path, monkeypatch)

    sha256, sizes = capsys.readouterr().out.strip().split(" ", 1)
    fetched_file = tmp_path / "debian.qcow2"
    assert hashlib.sha256(fetched_file.read_bytes()).hexdigest() == sha256
    assert sizes == f"[{fetched_file.stat().st_size}]"
    with imgrepl.connect(f"sqlite:///{tmp_path}/index.sqlite3") as client:
        assert client.links("golden/debian/1.0.0") == []
