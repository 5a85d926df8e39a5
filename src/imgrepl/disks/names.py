"""File names that come out of images or go into messages. Neither is to be trusted."""

from pathlib import PurePosixPath, PureWindowsPath

from imgrepl.errors import Invalid

_SHOWN_CHARS_MAX = 256
"""As many as a file name may have; of a path the end says most."""
_REFUSED_CHARACTERS = frozenset('/\\:"*?<>|')


def printable(text: str) -> str:
    """`text` with everything a terminal or a log could act on written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(stored: str) -> str:
    """A name out of an image as messages have it: printable, of a long one beginning and end."""
    text = printable(stored)
    half = _SHOWN_CHARS_MAX // 2
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:half]}…{text[-half:]}"


def plain_file_name(stored: str, *, field: str, target: str) -> str:
    r"""`stored` when it is a bare file name, a leading `./` or `.\` taken off.

    Raises `Invalid` (`ParentOutsideDirectory`) for every path that leads elsewhere: absolute,
    climbing, in another folder, on another machine, a device; (`ImageDamaged`) for a name that
    no file can have. `field` says where in the image `target` it stood.
    """
    name = stored
    while name.startswith(("./", ".\\")):
        name = name[2:]
    _refuse_impossible(name, field=field, target=target)
    if name in {".", ".."} or not _REFUSED_CHARACTERS.isdisjoint(name):
        raise Invalid(
            f"{field} is {shown(stored)!r}, which leads out of the image's own directory",
            code="ParentOutsideDirectory",
            target=target,
            hint="stored paths are never followed: name the file with --parent FILE",
        )
    return name


def last_file_name(stored: str, *, field: str, target: str) -> str | None:
    """The file name at the end of a stored path of another machine, or None if it has none.

    Raises `Invalid` (`ImageDamaged`) for a name that no file can have.
    """
    name = PureWindowsPath(PurePosixPath(stored).name).name
    if not name or name in {".", ".."} or not _REFUSED_CHARACTERS.isdisjoint(name):
        return None
    _refuse_impossible(name, field=field, target=target)
    return name


def _refuse_impossible(name: str, *, field: str, target: str) -> None:
    if not name or len(name.encode(errors="replace")) > 255:
        fault = f"holds {len(name)} characters; a file name has 1 to 255 bytes"
    elif any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in name):
        fault = f"is {shown(name)!r}: control characters and lone surrogates are no file name"
    else:
        return
    raise Invalid(f"{field} {fault}", code="ImageDamaged", target=target)
