"""Finds the parent of a differencing image.

An image names its parent by a path that somebody else wrote. It is never followed: a parent is a
file of that name in the image's own directory, or one that the caller named.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.names import shown
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import FileSource, identity_of, open_source
from imgrepl.errors import Invalid, NotFound

Matches = Callable[[ByteSource], bool]
"""Whether a source is the parent that is looked for; reads little of it.

False for what is not even an image of the right format.
"""


def open_parent(
    child: ByteSource,
    names: Sequence[str],
    options: OpenOptions,
    *,
    matches: Matches,
    wanted: str,
    expected_format: str | None = None,
) -> Disk:
    """Opens the parent of `child`, and the parents above it.

    `options` are those with which `child` was opened. `names` are plain file names, best first;
    the first that exists beside `child` and `matches` is taken, after `options.parents`. `wanted`
    describes for messages what is looked for. `expected_format` overrides detection by content,
    for chains that state their parent's format.

    Raises `Invalid` (`ParentNotFound`, `ParentMismatch`, `ParentCycle`, `ParentChainTooLong`).
    """
    from imgrepl.disks.detect import open_disk

    below = options.below(child)
    with ExitStack() as cleanup:
        source = _find(child, names, below, matches, wanted)
        cleanup.callback(source.close)
        if identity_of(source) in below.lineage:
            raise Invalid(
                f"the parent of {child.name} is {source.name}, which is the image itself or one "
                "of its children",
                code="ParentCycle",
                target=child.name,
            )
        disk = open_disk(source, below, expected_format=expected_format)
        cleanup.pop_all()
        return disk


def _find(
    child: ByteSource, names: Sequence[str], options: OpenOptions, matches: Matches, wanted: str
) -> ByteSource:
    seen: list[str] = []
    for candidate, owned in _candidates(child, names, options):
        taken = False
        try:
            taken = matches(candidate)
        finally:
            if owned and not taken:
                candidate.close()
        if taken:
            return candidate
        seen.append(candidate.name)
    if seen:
        raise Invalid(
            f"{child.name} needs {wanted}; {', '.join(seen)} is not that",
            code="ParentMismatch",
            target=child.name,
            hint="name the parent it was made from with --parent FILE",
        )
    raise Invalid(
        f"{child.name} needs {wanted}, which is not in its directory",
        code="ParentNotFound",
        target=child.name,
        hint="put it there under that name, or name it with --parent FILE",
    )


def _candidates(
    child: ByteSource, names: Sequence[str], options: OpenOptions
) -> Iterator[tuple[ByteSource, bool]]:
    """Each source that may be the parent, and whether it was opened here.

    Of those that the caller named, one that already serves further down the chain is left out.
    """
    for parent in options.parents:
        owned = isinstance(parent, str | os.PathLike)
        source = open_source(parent) if isinstance(parent, str | os.PathLike) else parent
        if identity_of(source) not in options.lineage:
            yield source, owned
        elif owned:
            source.close()
    if not isinstance(child, FileSource):
        return
    for name in dict.fromkeys(names):
        try:
            yield open_source(child.path.parent / name, follow_symlink=False), True
        except NotFound:
            continue


def describe_names(names: Sequence[str]) -> str:
    """The file names, for the `wanted` of `open_parent`."""
    return " or ".join(repr(shown(name)) for name in dict.fromkeys(names))
