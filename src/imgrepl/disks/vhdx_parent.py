"""Finds the parent of a differencing VHDX."""

from collections.abc import Mapping
from uuid import UUID

from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.fields import damaged
from imgrepl.disks.names import last_file_name
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.parents import describe_names, open_parent
from imgrepl.disks.vhdx_header import read_header
from imgrepl.errors import Invalid

_PATH_KEYS = ("relative_path", "absolute_win32_path", "volume_path")


def open_vhdx_parent(child: ByteSource, locator: Mapping[str, str], options: OpenOptions) -> Disk:
    """The parent whose data-write id is the child's `parent_linkage`.

    Of the stored paths only the file names count, looked up beside the child. Raises `Invalid` as
    `open_parent` does, and `ImageDamaged` for a locator without a valid linkage.
    """
    linkage = _linkage(child, locator)
    names = [
        name
        for key in _PATH_KEYS
        if key in locator
        and (name := last_file_name(locator[key], field=f"VHDX {key}", target=child.name))
    ]
    known_as = f" called {describe_names(names)}" if names else ""
    return open_parent(
        child,
        names,
        options,
        matches=lambda candidate: _data_write_id(candidate) == linkage,
        wanted=f"a parent VHDX{known_as} with the data-write id {linkage}",
        expected_format="vhdx",
    )


def _linkage(child: ByteSource, locator: Mapping[str, str]) -> UUID:
    stored = locator.get("parent_linkage")
    if stored is None:
        raise damaged(child, "VHDX parent locator has no key 'parent_linkage'")
    try:
        return UUID(stored)
    except ValueError as fault:
        raise damaged(
            child, f"VHDX parent_linkage is {stored[:64]!a}, not a GUID in braces"
        ) from fault


def _data_write_id(candidate: ByteSource) -> UUID | None:
    try:
        return read_header(candidate).data_write_id
    except Invalid:
        return None
