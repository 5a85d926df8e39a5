"""The words in which a reader refuses an image or warns of it."""

from imgrepl.disks.disk import ByteSource, Problem, Severity
from imgrepl.errors import Invalid

_AGAIN = "the image is damaged or was cut short on its way: fetch or export it again"


def refusal(
    source: ByteSource,
    code: str,
    field: str,
    *,
    offset: int,
    value: object,
    limit: str,
    hint: str = _AGAIN,
) -> Invalid:
    """An `Invalid` that names the field, its place in the file, its value and the rule for it."""
    return Invalid(
        f"{source.name}: {field} at byte {offset} is {value}; {limit}",
        code=code,
        target=source.name,
        hint=hint,
    )


def warning(source: ByteSource, rule: str, message: str) -> Problem:
    """A `Problem` that does not keep the image from being read."""
    return Problem(rule=rule, message=f"{source.name}: {message}", severity=Severity.WARNING)
