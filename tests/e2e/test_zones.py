"""Standard_ZRS on three servers: each has every object, and any one of them may stop."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.command_line import DEFINITION, VERSION, Cli
from servers import S3Server, kill_server, revive_server, start_server

pytestmark = pytest.mark.servers
IMPATIENT = {"IMGREPL_RETRY_DEADLINE_SECONDS": "3", "IMGREPL_CONNECT_TIMEOUT_SECONDS": "2"}


@pytest.fixture(scope="module")
def zone_servers() -> Iterator[list[S3Server]]:
    servers = [start_server("minio") for _ in range(3)]
    yield servers
    for server in servers:
        kill_server(server)


def test_any_one_of_three_zones_may_stop(
    cli: Cli, image: Path, tmp_path: Path, zone_servers: list[S3Server]
) -> None:
    zones = [f"{server.endpoint_url}/{server.new_bucket()}" for server in zone_servers]
    home = tmp_path / "eastus"
    words = [word for zone in zones for word in ("--zone", zone)]
    added = cli(
        "region", "add", "eastus", "--url", home.as_uri(), *words, "--credentials-env", "TEST"
    )
    assert added.status == 0, added.stderr
    target = ("--target-regions", "eastus=1=standard_zrs", "-l", "eastus", "--create-parents")
    made = cli("image-version", "create", *VERSION, "--os-disk", image, *target)
    assert made.status == 0, made.stderr
    wanted = hashlib.sha256(image.read_bytes()).hexdigest()

    for number, server in enumerate(zone_servers, start=1):
        kill_server(server)
        try:
            file = tmp_path / f"without-{number}.raw"
            got = cli("image-version", "download", *VERSION, "--file", file, **IMPATIENT)
            assert got.status == 0, got.stderr
            assert hashlib.sha256(file.read_bytes()).hexdigest() == wanted
            seen = cli("image-version", "verify", *VERSION, **IMPATIENT)
            assert seen.status == 6, seen.stderr
            (replica,) = seen.out["replicas"]
            assert replica["state"] == "damaged"
            assert {one["place"] for one in replica["problems"]} == {f"eastus/zone{number}/0"}
        finally:
            revive_server(server)

    healthy = cli("image-version", "verify", *VERSION, "--deep")
    assert healthy.status == 0, healthy.stderr
    assert cli("image-version", "list", *DEFINITION).status == 0
