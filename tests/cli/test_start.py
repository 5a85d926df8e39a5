"""What a start costs: modules that a command must not load, in a process of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from imgrepl.cli.app import main

HEAVY = {
    "alembic",
    "asyncio",
    "blake3",
    "boto3",
    "botocore",
    "imgrepl.assembly",
    "imgrepl.engine",
    "jmespath",
    "minio",
    "numpy",
    "rich.markdown",
    "rich.progress",
    "rich.table",
    "sqlalchemy",
    "tenacity",
    "xxhash",
    "yaml",
    "zstandard",
}
SCRIPT = """
import io, json, sys
from imgrepl.cli.app import main
stdout, sys.stdout = sys.stdout, io.StringIO()
status = main(sys.argv[1:])
text, sys.stdout = sys.stdout.getvalue(), stdout
print(json.dumps([status, text, sorted(sys.modules)]))
"""


def loaded_by(words: list[str], environment: Mapping[str, str] | None = None) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    status, text, modules = json.loads(done.stdout)
    assert status == 0, done.stderr
    assert text
    return set(modules)


@pytest.mark.parametrize(
    "words", [["--help"], ["image-version", "--help"], ["image-version", "create", "--help"]]
)
def test_help_loads_nothing_that_is_only_needed_for_work(words: list[str]) -> None:
    assert loaded_by(words) & HEAVY == set()


def test_the_first_page_of_help_loads_no_command_framework() -> None:
    assert loaded_by(["--help"]) & {"cyclopts", "rich", "dataclasses", "imgrepl.errors"} == set()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment whose index has one version in one region, and is there already."""
    folder = tmp_path_factory.mktemp("started")
    image = folder / "disk.raw"
    image.write_bytes(b"guest" + bytes((1 << 20) - 5))
    index = f"sqlite:///{folder}/index.db"
    variables = {"IMGREPL_INDEX": index, "IMGREPL_CACHE_DIR": f"{folder}/cache"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert main(["region", "add", "home", "--url", f"file://{folder}/home"]) == 0
        create = ["image-version", "create", "-r", "g", "-i", "d", "-e", "1.0.0"]
        assert main([*create, "--os-disk", str(image), "--create-parents", "-o", "none"]) == 0
    return {**os.environ, **variables}


VERSION = ["-r", "g", "-i", "d", "-e", "1.0.0"]
LOOKS_AT_THE_INDEX = [
    ["region", "list"],
    ["gallery", "list"],
    ["gallery", "show", "-r", "g"],
    ["image-definition", "list", "-r", "g"],
    ["image-version", "list", "-r", "g", "-i", "d"],
    ["image-version", "show", *VERSION[:-1], "latest"],
    ["image-version", "status", *VERSION],
    ["image-version", "wait", *VERSION],
    ["operation", "list"],
    ["usage"],
]
THE_INDEX = {"imgrepl.assembly", "imgrepl.engine", "sqlalchemy", "asyncio"}
"""What a look at the index takes; asyncio is SQLAlchemy's."""


@pytest.mark.parametrize("words", LOOKS_AT_THE_INDEX, ids=" ".join)
def test_who_looks_at_the_index_loads_no_engine_and_no_client_of_a_store(
    published: Mapping[str, str], words: list[str]
) -> None:
    loaded = loaded_by([*words, "-o", "json"], published)

    assert loaded & (HEAVY - THE_INDEX) == set()
    assert "imgrepl.engine.dedup_cache" not in loaded
    assert "sqlalchemy.dialects.postgresql" not in loaded


def test_settings_are_shown_without_an_index() -> None:
    assert loaded_by(["config", "show", "-o", "json"]) & HEAVY == set()


def test_a_look_at_an_image_loads_no_index_and_no_client_of_a_store(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(1 << 20))

    loaded = loaded_by(["image", "inspect", str(image), "-o", "json"])

    assert loaded & {"sqlalchemy", "botocore", "tenacity"} == set()


def test_a_directory_as_a_region_loads_no_client_of_s3(published: Mapping[str, str]) -> None:
    loaded = loaded_by(["image-version", "verify", *VERSION, "-o", "json"], published)

    assert loaded & {"boto3", "botocore", "alembic"} == set()
