"""The regions as containers: what `docker-compose.yml` promises."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from imgrepl.lab.plan import DEFAULT_REGIONS
from imgrepl.model.region import normal_region_name

FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
REGIONS = [normal_region_name(name) for name in DEFAULT_REGIONS]


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_it_starts_the_regions_of_the_lab_each_with_a_volume_of_its_own(compose: Any) -> None:
    servers = {name: one for name, one in compose["services"].items() if name != "buckets"}
    assert list(servers) == REGIONS == list(compose["volumes"])
    for name, server in servers.items():
        assert server["volumes"] == [f"{name}:/data"]
        assert server["healthcheck"]["test"] == ["CMD", "mc", "ready", "local"]


def test_no_server_can_be_reached_from_another_machine(compose: Any) -> None:
    ports = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert len(set(ports)) == len(REGIONS)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_buckets_are_made_after_every_server_is_healthy(compose: Any) -> None:
    buckets = compose["services"]["buckets"]
    assert buckets["depends_on"] == {name: {"condition": "service_healthy"} for name in REGIONS}
    (script,) = buckets["command"]
    assert "for region in " + " ".join(REGIONS) + ";" in script
    subprocess.run(["sh", "-n", "-c", script.replace("$$", "$")], check=True)


def test_images_are_pinned(compose: Any) -> None:
    for service in compose["services"].values():
        assert ":RELEASE." in service["image"]


def test_docker_compose_accepts_it() -> None:
    command = _compose_command()
    if command is None:
        pytest.skip("neither docker with its compose plugin nor docker-compose is installed")
    subprocess.run([*command, "-f", str(FILE), "config", "--quiet"], check=True)


def _compose_command() -> list[str] | None:
    docker, alone = shutil.which("docker"), shutil.which("docker-compose")
    if (
        docker
        and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    ):
        return [docker, "compose"]
    return [alone] if alone else None
