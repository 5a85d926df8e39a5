"""The key pair that opens every server of one lab: random, and never on a command line."""

import configparser
import secrets
from dataclasses import dataclass
from pathlib import Path

from imgrepl.errors import Corrupt, NotFound
from imgrepl.lab.files import write_private

_PROFILE = "default"
_NEW_PAIR = "`imgrepl lab down`, remove this file if it is there, then `imgrepl lab up`"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The key pair that opens every server of one lab."""

    access_key_id: str
    secret_access_key: str


def credentials_file(folder: Path) -> Path:
    """Where the key pair of the lab in `folder` is."""
    return folder / "credentials"


def make_keys(folder: Path) -> Keys:
    """The lab's key pair: the one it has, else a new one at random, readable by its owner only."""
    if credentials_file(folder).exists():
        return read_keys(folder)
    keys = Keys(access_key_id=secrets.token_hex(10), secret_access_key=secrets.token_hex(20))
    lines = (
        f"[{_PROFILE}]",
        f"aws_access_key_id = {keys.access_key_id}",
        f"aws_secret_access_key = {keys.secret_access_key}",
    )
    write_private(credentials_file(folder), "\n".join(lines) + "\n")
    return keys


def read_keys(folder: Path) -> Keys:
    """The lab's key pair. Raises `NotFound` or `Corrupt` (`LabKeysLost`)."""
    parser = configparser.ConfigParser(interpolation=None)
    path = credentials_file(folder)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        section = parser[_PROFILE]
        return Keys(
            access_key_id=section["aws_access_key_id"],
            secret_access_key=section["aws_secret_access_key"],
        )
    except FileNotFoundError as error:
        raise NotFound(
            f"{path}, the key pair of this lab, is gone",
            code="LabKeysLost",
            target=str(path),
            hint=_NEW_PAIR,
        ) from error
    except (configparser.Error, KeyError) as error:
        raise Corrupt(
            f"{path} holds no key pair under [{_PROFILE}]",
            code="LabKeysLost",
            target=str(path),
            hint=_NEW_PAIR,
        ) from error
