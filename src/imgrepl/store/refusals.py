"""The refusals that stores of ours share: one wording, one code, whichever store says it."""

import hashlib

from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound
from imgrepl.store.protocols import Body


def check_conditions(key: str, *, if_absent: bool, if_match: str | None) -> None:
    """Raises `Invalid` (`InvalidCondition`) for a put with two conditions."""
    if if_absent and if_match is not None:
        raise Invalid(
            f"put of {key}: if_absent and if_match exclude each other",
            code="InvalidCondition",
            target=key,
        )


def checked_digest(key: str, body: Body, sha256: bytes | None) -> bytes:
    """The SHA-256 of `body`, one pass; `Corrupt` (`BadDigest`) where `sha256` is another one."""
    digest = hashlib.sha256(body).digest()
    if sha256 is not None and sha256 != digest:
        raise bad_digest(key, f"has SHA-256 {digest.hex()}, not {sha256.hex()} as stated")
    return digest


def bad_digest(key: str, why: str) -> Corrupt:
    """The error for a body that is not what its checksum says; nothing was stored."""
    return Corrupt(
        f"the body for {key} {why}",
        code="BadDigest",
        target=key,
        hint="the bytes changed between hashing and storing: check this machine's memory",
    )


def object_exists(key: str, url: str) -> Conflict:
    """The error of a put with `if_absent` that found something."""
    return Conflict(f"{key} exists already in {url}", code="ObjectExists", target=key)


def object_changed(key: str, url: str) -> Conflict:
    """The error of a put with `if_match` that found something else, or nothing."""
    return Conflict(
        f"{key} in {url} is not the object that was read: somebody else changed or deleted it",
        code="ObjectChanged",
        target=key,
        hint="read it again and decide again",
    )


def object_missing(key: str, url: str) -> NotFound:
    """The error for a key that names nothing."""
    return NotFound(f"there is no {key} in {url}", code="ObjectNotFound", target=key)


def copy_not_supported(source: object, url: str) -> Invalid:
    """The error of a copy between stores that one server does not serve."""
    return Invalid(
        f"{getattr(source, 'url', source)} cannot be copied to {url} server-side: they share no "
        "server and credentials",
        code="CopyNotSupported",
        hint="read it here and put it there",
    )
