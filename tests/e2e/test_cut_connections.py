"""Connections that break in the middle of a body, either way: retried, never half, never wrong."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from cutting_proxy import Cut, CuttingProxy, Side, Way, cutting_proxy
from e2e.conftest import make_image
from imgrepl.actions import creating, downloads, verifying
from imgrepl.actions.context import Context
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.version_requests import CreateVersion, TargetRequest
from imgrepl.assembly.app import open_app
from imgrepl.gallery import regions
from imgrepl.model.events import silent
from imgrepl.model.gallery import GalleryId, VersionId, VersionName
from imgrepl.model.region import Region
from imgrepl.settings import Given, load
from servers import S3Server, start_server

pytestmark = pytest.mark.servers

DEFINITION = GalleryId(gallery="golden").definition("debian")
CUTS = [
    Cut(way, side, after)
    for way, side, after in product(Way, Side, (200, 300_000, 9_000_000))
    if not (way is Way.STALL and after == 300_000)
]
"""In the headers, early in a body, and deep in a pack of 16 MiB."""


@pytest.fixture(scope="module")
def server() -> S3Server:
    for kind in ("versitygw", "minio"):
        try:
            return start_server(kind)
        except pytest.skip.Exception:
            continue
    return start_server("seaweedfs")


@pytest.fixture
def proxy(server: S3Server) -> Iterator[CuttingProxy]:
    with cutting_proxy(server.endpoint_url) as started:
        yield started


@pytest.fixture
def ctx(server: S3Server, proxy: CuttingProxy, tmp_path: Path) -> Iterator[Context]:
    """eastus in a directory, westeurope behind the proxy; who hears nothing for 0.5 s gives up."""
    environ = {
        **server.environment,
        "HOME": str(tmp_path),
        "IMGREPL_INDEX": f"sqlite:///{tmp_path / 'index.sqlite3'}",
        "IMGREPL_READ_TIMEOUT_SECONDS": "0.5",
        "IMGREPL_RETRY_DEADLINE_SECONDS": "30",
    }
    no_flags: list[Given] = []
    settings = load(no_flags, environ).settings
    with open_app(settings, silent, threading.Event()) as app:
        behind = replace(server.new_endpoint(), endpoint_url=proxy.url)
        near = replace(behind, url=(tmp_path / "eastus").as_uri(), endpoint_url=None)
        with app.ctx.index.begin() as tx:
            regions.add(tx, Region(name="eastus", display_name="eastus", standard=(near,)))
            regions.add(tx, Region(name="westeurope", display_name="west", standard=(behind,)))
        yield app.ctx


def version(number: int) -> VersionId:
    return DEFINITION.version(VersionName(1, 0, number))


def publish(ctx: Context, image: Path, number: int) -> None:
    creating.create(
        ctx,
        CreateVersion(
            id=version(number),
            os_disk=str(image),
            location="eastus",
            target_regions=[TargetRequest("eastus"), TargetRequest("westeurope")],
            create_parents=True,
        ),
    )


def download(ctx: Context, target: Path, number: int) -> dict[str, object]:
    request = DownloadRequest(
        definition=DEFINITION,
        name=f"1.0.{number}",
        file=str(target),
        region="westeurope",
        overwrite=True,
    )
    return downloads.download(ctx, request)


def test_a_connection_that_is_cut_anywhere_costs_a_retry_and_nothing_else(
    ctx: Context, proxy: CuttingProxy, tmp_path: Path
) -> None:
    image = make_image(tmp_path / "disk.raw")
    publish(ctx, image, 0)
    for number, cut in enumerate(CUTS, 1):
        image = make_image(tmp_path / f"{number}.raw", changed_bytes=17 << 20)
        made = proxy.made
        proxy.arm(cut)
        publish(ctx, image, number)
        cut_in_publish = proxy.made > made
        proxy.arm(cut)
        report = download(ctx, tmp_path / "out", number)
        proxy.arm()
        assert (tmp_path / "out").read_bytes() == image.read_bytes(), cut
        assert report["region"] == "westeurope"
        assert cut_in_publish or proxy.made > made, f"{cut} was never made"
        image.unlink()
    assert proxy.made > len(CUTS), "hardly any connection was cut"
    for number in range(len(CUTS) + 1):
        found = verifying.verify(ctx, version(number))
        assert {one["state"] for one in found["replicas"]} == {"healthy"}


def test_a_storm_of_cuts_ends_with_the_disk_in_place(
    ctx: Context, proxy: CuttingProxy, tmp_path: Path
) -> None:
    """Every few hundred KiB another connection breaks, until there are no more cuts."""
    image = make_image(tmp_path / "disk.raw")
    ways = [way for way in Way if way is not Way.STALL]
    storm = [Cut(way, side, after) for after in (100_000, 700_000) for way in ways for side in Side]
    proxy.arm(*storm)
    publish(ctx, image, 0)
    proxy.arm(*storm)
    download(ctx, tmp_path / "out", 0)
    assert (tmp_path / "out").read_bytes() == image.read_bytes()
    assert proxy.made >= len(storm)
