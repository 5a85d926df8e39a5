"""Every setting: its value, its bounds, and where it came from.

Flags win over `IMGREPL_*` variables, those over a TOML file, that over the defaults. This is the
only module that reads the process environment; who needs a variable gets the mapping handed in.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from imgrepl.errors import NotFound, UsageError
from imgrepl.model.limits import PROFILES

KIBIBYTE = 1 << 10
MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
VARIABLE_PREFIX = "IMGREPL_"
CONFIG_VARIABLE = "IMGREPL_CONFIG"
OUTPUT_FORMATS = ("json", "jsonl", "yaml", "table", "tsv", "none")
LOG_LEVELS = ("debug", "info", "warning", "error")
_SUFFIXES = {"": 1, "b": 1, "kib": KIBIBYTE, "mib": MEBIBYTE, "gib": GIBIBYTE, "tib": 1 << 40}
_SIZE = re.compile(r"\s*([0-9]+)\s*([a-z]*)\s*")


class Bound(NamedTuple):
    """What a value may be: a range with both ends allowed, or one of `choices`."""

    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is None or self.maximum is None:
            return ""
        return f"{_number(self.minimum)} to {_number(self.maximum)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _about(doc: str, bound: Bound | None = None) -> dict[str, Any]:
    return {"doc": doc, "bound": bound or Bound()}


def _setting(doc: str, default: object, bound: Bound) -> Any:  # noqa: ANN401 - the field takes the type that its annotation says
    return field(default=default, metadata=_about(doc, bound))


def _workers_default() -> int:
    return max(1, min(os.cpu_count() or 1, 8))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one run. Names end in their unit; sizes are bytes, durations seconds.

    `environ` is the environment the settings were read from, for credentials that a region names
    by variable; it is no setting and never shown.
    """

    index: str = field(
        metadata=_about("The gallery index, an SQLAlchemy URL: SQLite or PostgreSQL.")
    )
    state_dir: Path = field(
        metadata=_about("Directory of the logs of detached workers and of the lab.")
    )
    cache_dir: Path = field(
        metadata=_about("Directory of the dedup cache. Losing it costs time, never data.")
    )
    output: str | None = _setting(
        "How results are written. Unset: a table on a terminal, else JSON.",
        None,
        Bound(choices=OUTPUT_FORMATS),
    )
    principal: str | None = _setting(
        "Who asks, where it is not you: NAME[,group=GROUP …][,subscription=ID][,tenant=ID]. Unset:"
        " who runs the program, the owner of the index.",
        None,
        Bound(),
    )
    log_level: str = _setting(
        "The least severe log line that is written to stderr.", "warning", Bound(choices=LOG_LEVELS)
    )
    workers: int = _setting(
        "Threads that hash, compress and decode. Default: one a processor, at most 8.",
        _workers_default(),
        Bound(1, 64),
    )
    uploads_in_flight: int = _setting(
        "Packs on their way to the source region. Each holds up to 16 MiB.", 3, Bound(1, 32)
    )
    region_uploads: int = _setting("Packs written to one target region at once.", 2, Bound(1, 32))
    requests_in_flight_max: int = _setting(
        "Most requests of one kind (writes, reads, looks) to one server at once. Below that their"
        " number follows what the server bears. Costs no memory of its own.",
        32,
        Bound(1, 128),
    )
    downloads_in_flight: int = _setting(
        "Packs fetched and decoded at once by a download or a deep verify, up to 32 MiB each.",
        4,
        Bound(1, 64),
    )
    transfer_budget_bytes: int = _setting(
        "Memory that packs may fill between their one read and all their writes, over all regions.",
        128 * MEBIBYTE,
        Bound(64 * MEBIBYTE, 4 * GIBIBYTE),
    )
    zstd_level: int = _setting(
        "Compression of new packs. 6 takes twice the whole pipeline's time.", 3, Bound(1, 19)
    )
    zstd_level_update: int = _setting(
        "Compression while at most a third of an image is new. Of a patched Debian 6 stores 4.5 %"
        " less than 3.",
        6,
        Bound(1, 19),
    )
    average_chunk_bytes: int = _setting(
        "Average chunk of a store that is being made; an existing store keeps its own.",
        32 * KIBIBYTE,
        Bound(choices=("32768", "65536", "262144")),
    )
    retry_deadline_seconds: float = _setting(
        "How long a request is tried again before its endpoint counts as unavailable.",
        120.0,
        Bound(0, 3600),
    )
    connect_timeout_seconds: float = _setting(
        "How long a connection may take to open.", 10.0, Bound(0.1, 300)
    )
    read_timeout_seconds: float = _setting(
        "How long an open connection may stay silent.", 60.0, Bound(0.1, 3600)
    )
    throttle_bytes_per_second: int = _setting(
        "Most bytes a second sent to all places together, and as many received; 0 sets no limit.",
        0,
        Bound(0, 1 << 40),
    )
    lease_seconds: float = _setting(
        "How long the owner of an operation may be silent before another host takes over.",
        60.0,
        Bound(5, 3600),
    )
    collect_grace_seconds: float = _setting(
        "How long a pack that nothing names stays condemned before it is deleted. None is needed:"
        " a commit checks that its packs are there.",
        0.0,
        Bound(0, 31_536_000),
    )
    proof_age_seconds_max: float = _setting(
        "How old a region's oldest proof may be before `doctor` warns of it; `scrub` renews them.",
        2_592_000.0,
        Bound(3600, 315_360_000),
    )
    limits_profile: str = _setting(
        "Azure's limits of which year: what is not set by itself in the seven below.",
        "today",
        Bound(choices=tuple(PROFILES)),
    )
    galleries_max: int = _setting(
        "Galleries of a subscription in a region.", 100, Bound(1, 1_000_000)
    )
    definitions_max: int = _setting(
        "Image definitions of a subscription in a region.", 1_000, Bound(1, 1_000_000)
    )
    versions_max: int = _setting(
        "Image versions of a subscription in a region.", 10_000, Bound(1, 10_000_000)
    )
    replicas_max: int = _setting("Replicas of a version in one region.", 100, Bound(1, 100))
    disk_bytes_max: int = _setting(
        "Largest disk, as the guest sees it.", 2048 * GIBIBYTE, Bound(MEBIBYTE, 32_767 * GIBIBYTE)
    )
    shallow_disk_bytes_max: int = _setting(
        "Largest disk of a shallow version.",
        32_767 * GIBIBYTE,
        Bound(MEBIBYTE, 32_767 * GIBIBYTE),
    )
    tags_max: int = _setting("Tags of one resource.", 50, Bound(0, 1_000))
    shared_subscriptions_max: int = _setting(
        "Subscriptions that a gallery is shared with directly.", 30, Bound(1, 10_000)
    )
    shared_tenants_max: int = _setting(
        "Tenants that a gallery is shared with directly.", 5, Bound(1, 10_000)
    )
    grants_max: int = _setting(
        "Roles that are granted on one gallery, definition or version.", 1_000, Bound(1, 10_000)
    )
    prices_file: Path | None = field(
        default=None,
        metadata=_about(
            "A price list of your own, TOML; what it leaves out costs as the shipped list says."
        ),
    )
    budget_monthly_usd: float = _setting(
        "The most that all galleries are to cost a month, in US dollars; 0 sets no budget.",
        0.0,
        Bound(0, 1e12),
    )
    budget_action: str = _setting(
        "What becomes of a publication or an update that exceeds the budget.",
        "warn",
        Bound(choices=("warn", "refuse")),
    )
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


class Loaded(NamedTuple):
    """Settings, and for each by name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


class SettingDoc(NamedTuple):
    """One setting, for reference pages and for `config show`."""

    name: str
    variable: str
    default: str
    bound: str
    doc: str


def setting_fields() -> tuple[Field[Any], ...]:
    """The fields of `Settings` that are settings, in the order of the reference page."""
    return tuple(spec for spec in fields(Settings) if "doc" in spec.metadata)


def documented_settings() -> tuple[SettingDoc, ...]:
    """What the reference page says, one entry a setting."""
    return tuple(
        SettingDoc(
            spec.name,
            VARIABLE_PREFIX + spec.name.upper(),
            _default_text(spec),
            str(spec.metadata["bound"]),
            spec.metadata["doc"],
        )
        for spec in setting_fields()
    )


_PATH_DEFAULTS = {
    "index": "sqlite:///$XDG_DATA_HOME/imgrepl/index.sqlite3",
    "state_dir": "$XDG_STATE_HOME/imgrepl",
    "cache_dir": "$XDG_CACHE_HOME/imgrepl",
}


def _default_text(spec: Field[Any]) -> str:
    if spec.name in _PATH_DEFAULTS:
        return _PATH_DEFAULTS[spec.name]
    if spec.name == "workers":
        return "processors"
    return "" if spec.default is None else f"{spec.default}"


def process_environment() -> Mapping[str, str]:
    """This process's environment, read-only."""
    return MappingProxyType(dict(os.environ))


def as_variables(settings: Settings) -> dict[str, str]:
    """The environment in which a process without flags has exactly these settings.

    Their own `environ`, with every setting stated and no settings file named.
    """
    stated = {spec.name: getattr(settings, spec.name) for spec in setting_fields()}
    hidden = {CONFIG_VARIABLE, *(VARIABLE_PREFIX + name.upper() for name in stated)}
    kept = {name: value for name, value in settings.environ.items() if name not in hidden}
    return kept | {
        VARIABLE_PREFIX + name.upper(): str(value)
        for name, value in stated.items()
        if value is not None
    }


class Given(NamedTuple):
    """A value that somebody set; `origin` says where, for messages and for `config show`."""

    name: str
    value: object
    origin: str


def load(
    flags: Sequence[Given], environ: Mapping[str, str], config_file: str | None = None
) -> Loaded:
    """Settings out of all sources.

    `flags` is what the command line gave. `config_file` is a flag of its own; without it
    `IMGREPL_CONFIG` names the file. Raises `NotFound` (`ConfigNotFound`) where that file is not
    there, and `UsageError` (`InvalidConfig`, `UnknownSetting`, `InvalidSetting`).
    """
    path = config_file or environ.get(CONFIG_VARIABLE)
    values: dict[str, Any] = _path_defaults(environ)
    origins = {spec.name: "default" for spec in setting_fields()}
    for given in [*(_from_file(path) if path else ()), *_from_variables(environ), *flags]:
        values[given.name] = _converted(given)
        origins[given.name] = given.origin
    _apply_profile(values, origins)
    return Loaded(Settings(**values, environ=environ), origins)


def _apply_profile(values: dict[str, Any], origins: dict[str, str]) -> None:
    """What the profile of limits says, of those that nobody set."""
    profile = values.get("limits_profile")
    if profile is None:
        return
    limits = PROFILES[profile]
    for spec in fields(limits):
        if origins.get(spec.name) == "default":
            values[spec.name] = getattr(limits, spec.name)
            origins[spec.name] = f"limits_profile {profile}"


def _path_defaults(environ: Mapping[str, str]) -> dict[str, Any]:
    def base(variable: str, below_home: str) -> Path:
        stated = Path(environ.get(variable, ""))
        home = Path(environ.get("HOME") or Path.home())
        return (stated if stated.is_absolute() else home / below_home) / "imgrepl"

    return {
        "index": f"sqlite:///{base('XDG_DATA_HOME', '.local/share') / 'index.sqlite3'}",
        "state_dir": base("XDG_STATE_HOME", ".local/state"),
        "cache_dir": base("XDG_CACHE_HOME", ".cache"),
    }


def _from_file(path: str) -> Iterator[Given]:
    import tomllib

    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no settings file {path}",
            code="ConfigNotFound",
            target=path,
            hint=f"--config or {CONFIG_VARIABLE} names it; without them none is read",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"cannot read the settings file {path}: {error}", code="InvalidConfig", target=path
        ) from error
    for name, value in table.items():
        if name not in _SPECS:
            raise _unknown(name, path)
        yield Given(name, value, path)


def _unknown(name: str, path: str) -> UsageError:
    near = difflib.get_close_matches(name, _SPECS, n=1, cutoff=0)
    return UsageError(
        f"{path} sets {name!r}, which is no setting; the nearest is {near[0]!r}",
        code="UnknownSetting",
        target=name,
        hint="`imgrepl config show` lists all settings",
    )


def _from_variables(environ: Mapping[str, str]) -> Iterator[Given]:
    for name in _SPECS:
        variable = VARIABLE_PREFIX + name.upper()
        if environ.get(variable):
            yield Given(name, environ[variable], variable)


def _converted(given: Given) -> object:
    spec = _SPECS[given.name]
    bound: Bound = spec.metadata["bound"]
    try:
        value = _parsed(spec, given.value)
    except (TypeError, ValueError) as error:
        raise _refused(given, f"must be {_KINDS[str(spec.type)]}") from error
    if bound.choices and str(value) not in bound.choices:
        raise _refused(given, f"must be one of {bound}")
    if bound.maximum is not None and not bound.minimum <= value <= bound.maximum:
        raise _refused(given, f"must be {bound}")
    return value


def _refused(given: Given, rule: str) -> UsageError:
    return UsageError(
        f"{given.name} is {given.value!r} (from {given.origin}); it {rule}",
        code="InvalidSetting",
        target=given.name,
    )


def _parsed(spec: Field[Any], value: object) -> Any:  # noqa: ANN401 - as the field says
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(type(value))
    if spec.type in (Path, Path | None):
        return Path(_text(value)).expanduser()
    if spec.type is int:
        return value if isinstance(value, int) else whole_number(_text(value))
    if spec.type is float:
        return float(value)
    return _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def whole_number(text: str) -> int:
    """`1048576` and `1MiB` alike. Raises `ValueError`."""
    match = _SIZE.fullmatch(text.lower())
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(text)
    return int(match[1]) * _SUFFIXES[match[2]]


_KINDS = {
    str(Path): "a path",
    str(Path | None): "a path",
    str(int): "a whole number, which may carry KiB, MiB, GiB or TiB",
    str(float): "a number",
    str(str): "text",
    str(str | None): "text",
}
_SPECS = {spec.name: spec for spec in setting_fields()}
