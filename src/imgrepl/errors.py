"""What can go wrong, grouped by what a caller would do about it.

The class says how to react (look elsewhere, give up, retry), `code` says which rule or fault it
was, and both are stable. An error carries ids as plain strings, holds no terminal markup and keeps
its cause by `raise … from`. The process exit status of each class is listed in the command line's
reference.
"""

from collections.abc import Sequence
from typing import ClassVar


class ImgreplError(Exception):
    """The base of every error that imgrepl raises on purpose.

    `message` names the rule and the value that broke it; `hint` says the way out; `target` is the
    id, path or key concerned; `details` are finer lines, one fact each.
    """

    exit_status: ClassVar[int] = 1
    default_code: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.target = target
        self.hint = hint
        self.details = tuple(details)


class UsageError(ImgreplError):
    """The call itself is wrong: an option that does not exist, two that exclude each other."""

    exit_status = 2
    default_code = "Usage"


class NotFound(ImgreplError):
    """What was named does not exist. Permanent: a retry gives the same answer."""

    exit_status = 3
    default_code = "NotFound"


class Conflict(ImgreplError):
    """The state of the world forbids it.

    Exists, in use, not empty, immutable, changed meanwhile.
    """

    exit_status = 4
    default_code = "Conflict"


class Invalid(ImgreplError):
    """A rule or a limit is broken, or an image is not what it says it is."""

    exit_status = 5
    default_code = "Invalid"


class Corrupt(ImgreplError):
    """Stored bytes are not what was written. Read elsewhere, then repair."""

    exit_status = 6
    default_code = "Corrupt"


class Unavailable(ImgreplError):
    """An endpoint did not answer.

    Or answered that it cannot now. The only class that a retry may mend.

    `retry_after_seconds` is the server's own wish, where it stated one.
    """

    exit_status = 7
    default_code = "Unavailable"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, **fields: object
    ) -> None:
        super().__init__(message, **fields)  # type: ignore[arg-type]
        self.retry_after_seconds = retry_after_seconds


class PartlyDone(ImgreplError):
    """At least one region is complete and at least one is not."""

    exit_status = 8
    default_code = "PartiallyCompleted"


class NotAllowed(ImgreplError):
    """Who asks may not do this, or the credentials were refused."""

    exit_status = 9
    default_code = "NotAllowed"


class Interrupted(ImgreplError):
    """The user asked to stop. What is durable stays and the same command goes on from there."""

    exit_status = 130
    default_code = "Interrupted"
