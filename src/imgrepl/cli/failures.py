"""From an exception to what stderr says and what the process exits with. The one place."""

import json
import traceback
from collections.abc import Sequence
from typing import TextIO

from cyclopts import Argument, CycloptsError, MissingArgumentError, UnusedCliTokensError

from imgrepl.azure.codes import error_body
from imgrepl.cli.cell_text import visible
from imgrepl.errors import (
    ImgreplError,
    Interrupted,
    NotAllowed,
    NotFound,
    Unavailable,
    UsageError,
)
from imgrepl.model.secrets import without_secrets


def as_imgrepl_error(error: BaseException) -> ImgreplError:
    """The error in our own terms; what nobody foresaw is a bug of ours and exits with 1."""
    match error:
        case ImgreplError():
            return error
        case CycloptsError():
            return _usage(error)
        case KeyboardInterrupt():
            return Interrupted("interrupted")
        case FileNotFoundError():
            return NotFound(_of_file(error), code="FileNotFound", target=_name(error))
        case PermissionError():
            return NotAllowed(_of_file(error), code="PermissionDenied", target=_name(error))
        case OSError():
            return Unavailable(_of_file(error), code="OperatingSystem", target=_name(error))
        case _:
            return ImgreplError(
                f"a bug in imgrepl: {type(error).__name__}: {error}",
                hint="run it again with --debug and report what is printed",
            )


def _usage(error: CycloptsError) -> UsageError:
    return UsageError(_complaint(error), hint=usage_hint(["imgrepl", *(error.command_chain or ())]))


def usage_hint(command: Sequence[str]) -> str:
    """The way out of a call that is wrong."""
    return f"`{' '.join(command)} --help` shows what is accepted"


def _complaint(error: CycloptsError) -> str:
    """What is wrong with a command line, in our words where the framework's mislead."""
    match error:
        case MissingArgumentError(argument=Argument() as argument):
            names = " or ".join(argument.names)
            return f"{names} needs a value" if error.keyword else f"{names} is missing"
        case UnusedCliTokensError(unused_tokens=[*tokens]):
            return f"nothing takes {' '.join(map(repr, tokens))}"
    error.verbose = False
    return str(error)


def _name(error: OSError) -> str | None:
    return None if error.filename is None else str(error.filename)


def _of_file(error: OSError) -> str:
    name = _name(error)
    return f"{name}: {error.strerror or error}" if name else str(error.strerror or error)


def report(error: BaseException, stream: TextIO, *, as_json: bool, debug: bool) -> int:
    """Writes the error to `stream` and gives the exit status.

    With `as_json` the last line is one JSON object. A traceback is printed only with `debug`.
    """
    failure = as_imgrepl_error(error)
    if debug:
        stream.write(visible(without_secrets("".join(traceback.format_exception(error)))))
    stream.write(_json(failure) if as_json else _text(failure))
    stream.flush()
    return failure.exit_status


def _json(failure: ImgreplError) -> str:
    return json.dumps(error_body(failure)) + "\n"


def _text(failure: ImgreplError) -> str:
    lines = [f"error: {failure.message} ({failure.code})"]
    lines += [f"  {detail}" for detail in failure.details]
    if failure.hint:
        lines.append(f"hint: {failure.hint}")
    return "".join(f"{visible(line)}\n" for line in lines)
