"""Detached workers: another process, with the settings of this one."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from imgrepl.assembly import workers
from imgrepl.model.ids import OperationId
from imgrepl.settings import Given, load

OPERATION = OperationId("20261123T103454-55ca3ed48710")


class FakeProcess:
    """Takes note of how it was started."""

    def __init__(self, command: list[str], **options: Any) -> None:
        started.append((command, options))


started: list[tuple[list[str], dict[str, Any]]] = []


@pytest.fixture(autouse=True)
def _fake_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    started.clear()
    monkeypatch.setattr(subprocess, "Popen", FakeProcess)


def test_a_worker_has_every_setting_of_its_parent_wherever_it_was_stated(tmp_path: Path) -> None:
    file = tmp_path / "imgrepl.toml"
    file.write_text("zstd_level = 7\nthrottle_bytes_per_second = '8 MiB'\n", encoding="utf-8")
    environ = {"HOME": str(tmp_path), "IMGREPL_WORKERS": "3", "EAST_SECRET_ACCESS_KEY": "secret"}
    flags = [Given("index", "postgresql://me:hunter2@db/imgrepl", "--index")]
    ours = load(flags, environ, str(file)).settings

    workers.spawn_worker(ours, OPERATION)

    ((command, options),) = started
    assert load([], options["env"]).settings == ours
    assert options["env"]["EAST_SECRET_ACCESS_KEY"] == "secret"
    assert "hunter2" not in " ".join(command), "a list of processes shows the command"
    assert command[-6:-2] == ["operation", "run", OPERATION, "-o"]


def test_a_worker_outlives_its_parent_and_logs_to_the_state_directory(tmp_path: Path) -> None:
    ours = load([], {"HOME": str(tmp_path)}).settings

    workers.spawn_worker(ours, OPERATION)

    ((_, options),) = started
    assert options["start_new_session"] is True
    assert options["stdin"] == subprocess.DEVNULL
    log = ours.state_dir / "operations" / f"{OPERATION}.log"
    assert log.exists()
    assert (options["stdout"].name, options["stderr"].name) == (str(log), str(log))
