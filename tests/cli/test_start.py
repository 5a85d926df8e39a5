"""What a start costs: modules that help pages must not load, in a process of their own."""

import json
import subprocess
import sys

import pytest

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


def loaded_by(words: list[str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True
    )
    status, text, modules = json.loads(done.stdout)
    assert status == 0
    assert "Usage:" in text
    return set(modules)


@pytest.mark.parametrize(
    "words", [["--help"], ["image-version", "--help"], ["image-version", "create", "--help"]]
)
def test_help_loads_nothing_that_is_only_needed_for_work(words: list[str]) -> None:
    assert loaded_by(words) & HEAVY == set()


def test_the_first_page_of_help_loads_no_command_framework() -> None:
    assert loaded_by(["--help"]) & {"cyclopts", "rich", "dataclasses", "imgrepl.errors"} == set()
