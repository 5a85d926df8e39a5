"""The other files that a qcow2 image needs: only those that the caller named.

A backing file's name can be a path, a URL or a JSON document that opens anything the process may
read, and nothing proves that a file of that name is the right one. So no name is followed, not
even within the image's own directory.
"""

import os
from pathlib import PurePosixPath, PureWindowsPath

from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.names import printable, shown
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.parents import open_parent
from imgrepl.disks.qcow2_header import Header
from imgrepl.disks.source import identity_of, open_source
from imgrepl.errors import Invalid

_Named = ByteSource | str | os.PathLike[str]

_READER_OF = {"file": "raw", "host_device": "raw", "vpc": "vhd"}


def open_backing(source: ByteSource, header: Header, options: OpenOptions) -> Disk | None:
    """The backing file and what stands behind it, or None for an image without one.

    It is the file among `options.parents` that is called like it, or the only one there. Raises
    `Invalid` (`BackingFileNotNamed`, `ParentCycle`), and as `open_parent` does.
    """
    if header.backing_name is None:
        return None
    # Further down a chain the only parent named is the one that led here.
    only = not header.has_data_file and not options.lineage
    chosen = _called(header.backing_name, options, or_only_one=only)
    if not chosen:
        raise _not_named("BackingFileNotNamed", source, "backing file", header.backing_name)
    names = {_file_name(_name_of(candidate)) for candidate in chosen}
    stated = header.backing_format
    try:
        return open_parent(
            source,
            (),
            options,
            matches=lambda candidate: _file_name(candidate.name) in names,
            wanted=f"its backing file {shown(header.backing_name)!r}",
            expected_format=_READER_OF.get(stated, stated) if stated else None,
        )
    except Invalid as fault:
        if (fault.code, fault.target) != ("ParentNotFound", source.name):
            raise
        # One was chosen and then left out, because the chain has passed it already.
        raise Invalid(
            f"{source.name} needs its backing file {shown(header.backing_name)!r}; the file "
            "named as that is the image itself or one that stands on it",
            code="ParentCycle",
            target=source.name,
        ) from fault


def open_data_file(source: ByteSource, header: Header, options: OpenOptions) -> ByteSource:
    """The file that the clusters lie in: `source` itself unless the header says otherwise.

    Raises `Invalid` (`DataFileNotNamed`), and as `open_source` does.
    """
    if not header.has_data_file:
        return source
    name = header.data_file_name or "(no name stated)"
    chosen = _called(name, options, or_only_one=header.backing_name is None)
    if not chosen:
        raise _not_named("DataFileNotNamed", source, "external data file", name)
    named = chosen[0]
    data = open_source(named) if isinstance(named, str | os.PathLike) else named
    if identity_of(data) == identity_of(source):
        data.close()
        raise _not_named("DataFileNotNamed", source, "external data file", name)
    return data


def _called(stored: str, options: OpenOptions, *, or_only_one: bool) -> list[_Named]:
    wanted = _file_name(printable(stored))
    found = [named for named in options.parents if _file_name(_name_of(named)) == wanted]
    if not found and or_only_one and len(options.parents) == 1:
        return [*options.parents]
    return found


def _name_of(named: _Named) -> str:
    return printable(os.fspath(named)) if isinstance(named, str | os.PathLike) else named.name


def _file_name(path: str) -> str:
    return PureWindowsPath(PurePosixPath(path).name).name


def _not_named(code: str, source: ByteSource, what: str, stored: str) -> Invalid:
    return Invalid(
        f"{source.name} needs its {what} {shown(stored)!r}, and names in images are not followed",
        code=code,
        target=source.name,
        hint="name it with --parent FILE",
    )
