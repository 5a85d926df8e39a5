"""Settings: who wins, what is refused, and that every one is documented."""

from dataclasses import replace
from pathlib import Path

import pytest

from imgrepl.assembly.bounds import limits_of
from imgrepl.errors import NotFound, UsageError
from imgrepl.model.limits import AZURE_2021, AZURE_TODAY
from imgrepl.settings import Given, as_variables, documented_settings, load, setting_fields

HOME = {"HOME": "/home/golden"}


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_profile_sets_the_limits_that_nobody_set() -> None:
    environment = {"IMGREPL_LIMITS_PROFILE": "2021", "IMGREPL_REPLICAS_MAX": "7"}
    settings, origins = load([], environment)
    assert limits_of(settings) == replace(AZURE_2021, replicas_max=7)
    assert origins["disk_bytes_max"] == "limits_profile 2021"
    assert origins["replicas_max"] == "IMGREPL_REPLICAS_MAX"
    again = load([], as_variables(settings)).settings
    assert limits_of(again) == limits_of(settings)


def test_without_a_profile_the_limits_are_azures_of_today() -> None:
    assert limits_of(load([], {}).settings) == AZURE_TODAY


def test_flags_win_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", 'index = "sqlite:///file"\nworkers = 2\nzstd_level = 5\n')
    environ = HOME | {"IMGREPL_INDEX": "sqlite:///variable", "IMGREPL_WORKERS": "3"}

    settings, origins = load([Given("index", "sqlite:///flag", "--index")], environ, file)

    assert (settings.index, origins["index"]) == ("sqlite:///flag", "--index")
    assert (settings.workers, origins["workers"]) == (3, "IMGREPL_WORKERS")
    assert (settings.zstd_level, origins["zstd_level"]) == (5, file)
    assert (settings.lease_seconds, origins["lease_seconds"]) == (60.0, "default")
    assert origins["output"] == "default"


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", "workers = 7")

    assert load([], HOME | {"IMGREPL_CONFIG": file}).settings.workers == 7


def test_paths_follow_the_xdg_variables_and_else_the_home_directory() -> None:
    stated = {"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "relative"}

    settings = load([], HOME | stated).settings

    assert settings.index == "sqlite:////d/imgrepl/index.sqlite3"
    assert settings.state_dir == Path("/s/imgrepl")
    assert settings.cache_dir == Path("/home/golden/.cache/imgrepl"), "XDG refuses relative paths"
    assert load([], HOME).settings.index.startswith("sqlite:////home/golden/.local/share/")


def test_an_unknown_key_is_refused_and_the_nearest_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", "worker = 2")

    with pytest.raises(
        UsageError, match=r"'worker', which is no setting; the nearest is 'workers'"
    ):
        load([], HOME, file)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("workers = 0", "it must be 1 to 64"),
        ("workers = 65", "it must be 1 to 64"),
        ("workers = true", "it must be a whole number"),
        ("workers = 1.5", "it must be a whole number"),
        ("index = 3", "it must be text"),
        ('output = "xml"', "it must be one of json, jsonl"),
        ("retry_deadline_seconds = inf", "it must be 0 to 3,600"),
        ("retry_deadline_seconds = nan", "it must be 0 to 3,600"),
        ("[workers]\na = 1", "it must be a whole number"),
        ("average_chunk_bytes = 4096", "it must be one of 32768"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_the_bound(
    tmp_path: Path, text: str, rule: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load([], HOME, write(tmp_path / "c.toml", text))

    assert rule in caught.value.message
    assert "c.toml" in caught.value.message


@pytest.mark.parametrize(
    ("text", "count"),
    [("67108864", 1 << 26), ("64MiB", 1 << 26), ("1 GiB", 1 << 30), ("67108864b", 1 << 26)],
)
def test_a_size_may_carry_a_binary_unit(text: str, count: int) -> None:
    environ = HOME | {"IMGREPL_TRANSFER_BUDGET_BYTES": text}

    assert load([], environ).settings.transfer_budget_bytes == count


def test_a_decimal_unit_is_refused_rather_than_read_as_a_binary_one() -> None:
    with pytest.raises(UsageError, match="KiB, MiB, GiB or TiB"):
        load([], HOME | {"IMGREPL_TRANSFER_BUDGET_BYTES": "100MB"})


def test_a_missing_or_broken_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no settings file /nowhere/c\.toml"):
        load([], HOME, "/nowhere/c.toml")
    with pytest.raises(UsageError, match="cannot read the settings file"):
        load([], HOME, write(tmp_path / "c.toml", "workers ="))


def test_the_environment_is_handed_on_and_never_shown() -> None:
    settings = load([], HOME | {"EAST_SECRET_ACCESS_KEY": "hunter2"}).settings

    assert settings.environ["EAST_SECRET_ACCESS_KEY"] == "hunter2"
    assert "hunter2" not in repr(settings)


def test_every_setting_has_a_doc_line_and_every_number_its_bounds() -> None:
    for spec, doc in zip(setting_fields(), documented_settings(), strict=True):
        assert doc.doc.endswith("."), spec.name
        assert doc.bound or spec.type not in (int, float), spec.name


def test_a_process_that_is_handed_our_variables_has_our_settings(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", 'zstd_level = 5\noutput = "yaml"\n')
    environ = HOME | {"IMGREPL_CONFIG": file, "IMGREPL_WORKERS": "3", "EAST_SECRET_ACCESS_KEY": "s"}
    flags = [Given("index", "postgresql://me:hunter2@db/imgrepl", "--index")]
    ours = load(flags, environ).settings

    handed = as_variables(ours)

    assert load([], handed).settings == ours
    assert handed["EAST_SECRET_ACCESS_KEY"] == "s"
    assert "IMGREPL_CONFIG" not in handed


def test_a_setting_that_we_unset_is_unset_for_a_process_that_we_start() -> None:
    ours = load([], HOME | {"IMGREPL_OUTPUT": "yaml"}).settings

    assert "IMGREPL_OUTPUT" not in as_variables(replace(ours, output=None))
