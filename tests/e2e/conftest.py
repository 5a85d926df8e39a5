"""A home for the command line, three real servers, and small images."""

import random
from pathlib import Path

import pytest

from e2e.command_line import Cli
from servers import S3Server, server_of, start_server

MEBIBYTE = 1 << 20
OCCUPIED_BYTES = 20 * MEBIBYTE


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A user who has never used imgrepl."""
    home = tmp_path / "home"
    home.mkdir()
    return Cli(home)


@pytest.fixture
def one_region(cli: Cli) -> Cli:
    """The same with a directory as the only region, eastus."""
    cli.add_region("eastus")
    return cli


@pytest.fixture(scope="session")
def three_servers() -> list[S3Server]:
    """Three servers, each of another kind where the machine has them."""
    servers: list[S3Server] = []
    for kind in ("minio", "versitygw", "seaweedfs"):
        try:
            servers.append(server_of(kind))
        except pytest.skip.Exception as skipped:
            missing = skipped
    if not servers:
        raise missing
    while len(servers) < 3:
        servers.append(start_server(servers[-1].kind))
    return servers


@pytest.fixture
def three_regions(cli: Cli, three_servers: list[S3Server]) -> Cli:
    """eastus, westeurope and southeastasia, empty and on servers of their own."""
    names = ("eastus", "westeurope", "southeastasia")
    for name, server in zip(names, three_servers, strict=True):
        cli.add_region(name, server)
    return cli


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A raw disk of 64 MiB with 20 MiB of content that does not compress."""
    return make_image(tmp_path / "disk.raw")


def make_image(path: Path, *, seed: int = 1, changed_bytes: int = 0) -> Path:
    """A disk by its seed; the last `changed_bytes` of its content are others'."""
    content = random.Random(seed).randbytes(OCCUPIED_BYTES - changed_bytes)
    with path.open("wb") as file:
        file.seek(MEBIBYTE)
        file.write(content + random.Random(str(path)).randbytes(changed_bytes))
        file.truncate(64 * MEBIBYTE)
    return path
