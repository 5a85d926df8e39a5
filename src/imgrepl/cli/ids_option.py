"""`--ids` as az has it: the id of a resource instead of the options that name it."""

from collections.abc import Sequence
from itertools import takewhile

from imgrepl.errors import UsageError

OPTION = "--ids"


def spelled_out(words: Sequence[str]) -> tuple[str, ...]:
    """The words with the options that the id stands for. Raises `UsageError` for what is no id."""
    found = [at for at, word in enumerate(words) if word.partition("=")[0] == OPTION]
    if not found:
        return tuple(words)
    at = found[0]
    value = words[at].partition("=")[2]
    ids = [value] if value else list(takewhile(lambda one: one[:1] != "-", words[at + 1 :]))
    if len(ids) != 1 or len(found) > 1:
        raise UsageError(
            f"{OPTION} takes one id, not {len(ids) * len(found)}",
            target=OPTION,
            hint="call the command once for each",
        )
    from imgrepl.azure.resource_ids import options_of

    named = options_of(ids[0])
    if not named:
        raise UsageError(
            f"{ids[0]!r} is no id of a gallery, an image definition or an image version",
            target=ids[0],
            hint="ids are what `list` and `show` print as id",
        )
    after = at + 1 if value else at + 2
    return (*words[:at], *named, *words[after:])
