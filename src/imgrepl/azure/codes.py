"""Errors as both doors tell them: exit status, HTTP status and JSON body."""

from typing import Any

from imgrepl.errors import (
    Conflict,
    Corrupt,
    ImgreplError,
    Interrupted,
    Invalid,
    NotAllowed,
    NotFound,
    PartlyDone,
    Unavailable,
    UsageError,
)

EXIT_MEANINGS = {
    0: "done",
    ImgreplError.exit_status: "a bug of ours",
    UsageError.exit_status: "wrong usage",
    NotFound.exit_status: "not found",
    Conflict.exit_status: "conflict: exists, in use, not empty, immutable, changed meanwhile",
    Invalid.exit_status: "invalid: a rule, a limit, or an image that is not what it says",
    Corrupt.exit_status: "corrupt: stored bytes are not what was written",
    Unavailable.exit_status: "unavailable: an endpoint stayed away after all retries",
    PartlyDone.exit_status: "partly done: at least one region is complete and at least one is not",
    NotAllowed.exit_status: "not allowed",
    Interrupted.exit_status: "interrupted",
}
"""What each exit status of the command line means."""

_HTTP: dict[type[ImgreplError], int] = {
    UsageError: 400,
    NotFound: 404,
    Conflict: 409,
    Invalid: 400,
    Corrupt: 500,
    Unavailable: 503,
    PartlyDone: 200,
    NotAllowed: 403,
    Interrupted: 503,
}


def http_status(error: ImgreplError) -> int:
    """The HTTP status that answers with this error; 500 for a bug of ours."""
    return next((_HTTP[kind] for kind in type(error).__mro__ if kind in _HTTP), 500)


def error_body(error: ImgreplError) -> dict[str, Any]:
    """The error as JSON: `{"error": {code, message, target, details, hint}}`."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "target": error.target,
            "details": list(error.details),
            "hint": error.hint,
        }
    }
