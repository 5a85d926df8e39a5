"""Asks before something is lost, and never leaves a script waiting for an answer."""

import sys

from imgrepl.errors import Interrupted, UsageError


def confirm(question: str, *, yes: bool, rehearsable: bool = True) -> None:
    """Returns when `--yes` was given or a person at the terminal agrees.

    `rehearsable` says that the command has a --dry-run. Raises `UsageError`
    (`ConfirmationRequired`) where nobody can be asked, and `Interrupted`
    (`Declined`) where the answer is anything but yes.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"nobody can be asked, as this is no terminal: {question}",
            code="ConfirmationRequired",
            hint="add --yes to go ahead without being asked"
            + (", --dry-run to see what would happen" if rehearsable else ""),
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Interrupted("nothing was changed: the answer was no", code="Declined")
