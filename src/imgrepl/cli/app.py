"""Where the program starts. What needs no command is answered without loading any."""

import os
import signal
import sys
from collections.abc import Sequence

from imgrepl.cli import garbage
from imgrepl.cli.nouns import help_page

_HELP_FLAGS = ("--help", "-h")
_VERSION_FLAG = "--version"


def main(tokens: Sequence[str] | None = None) -> int:
    """Runs the command line `tokens` (this process's own) and gives the exit status."""
    if tokens is None:
        garbage.put_off()
    words = list(sys.argv[1:] if tokens is None else tokens)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output has left, which is no failure; nothing may be written at exit either.
        _discard_stdout()
        return 0
    finally:
        if tokens is None:  # the status is known: another Ctrl-C must not make it a death by signal
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in _HELP_FLAGS:
        sys.stdout.write(help_page())
        return 0
    if words[0] == _VERSION_FLAG:
        return _print_version()
    from imgrepl.cli.frame import run_command

    return run_command(words)


def _print_version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"imgrepl {version('imgrepl')}\n")
    return 0


def _discard_stdout() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
