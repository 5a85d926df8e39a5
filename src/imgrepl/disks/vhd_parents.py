"""How a differencing VHD names its parent: an identifier, a name, and up to eight locators."""

from typing import NamedTuple

from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.faults import refusal
from imgrepl.disks.fields import read_field
from imgrepl.disks.names import last_file_name, plain_file_name
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.parents import describe_names, open_parent
from imgrepl.disks.vhd_dynamic import DynamicHeader, Structure
from imgrepl.disks.vhd_footer import read_footer
from imgrepl.errors import Invalid

LOCATOR_BYTES_MAX = 4096
_LOCATORS_OFFSET = 576
_LOCATOR_BYTES = 24
_LOCATORS = 8
_NAME_OFFSET, _NAME_BYTES = 64, 512
_RELATIVE, _ABSOLUTE = b"W2ru", b"W2ku"


class Locator(NamedTuple):
    """One place where the parent is said to be: `length` bytes at `offset` of the file."""

    platform: bytes
    offset: int
    length: int


def read_locators(source: ByteSource, header: DynamicHeader, data_end: int) -> list[Locator]:
    """The locators in use, each within the file.

    Their "data space" is left alone: writers put sectors or bytes there. Raises `Invalid`
    (`VhdLocatorInvalid`).
    """
    locators = []
    for number in range(_LOCATORS):
        at = _LOCATORS_OFFSET + number * _LOCATOR_BYTES
        entry = header.raw[at : at + _LOCATOR_BYTES]
        length = int.from_bytes(entry[8:12], "big")
        locator = Locator(entry[:4], int.from_bytes(entry[16:24], "big"), length)
        if locator.platform == bytes(4) or length == 0:
            continue
        if length > LOCATOR_BYTES_MAX or locator.offset + length > data_end:
            raise refusal(
                source,
                "VhdLocatorInvalid",
                f"parent locator {number}",
                offset=header.offset + at,
                value=f"{length} bytes at byte {locator.offset}",
                limit=f"at most {LOCATOR_BYTES_MAX} bytes before byte {data_end} can be read",
            )
        locators.append(locator)
    return locators


def locator_structures(locators: list[Locator]) -> list[Structure]:
    """Where the locators lie in the file."""
    return [
        Structure(f"a parent locator ({at.platform!r})", at.offset, at.offset + at.length)
        for at in locators
    ]


def open_vhd_parent(
    source: ByteSource, header: DynamicHeader, locators: list[Locator], options: OpenOptions
) -> Disk:
    """Opens the VHD with the identifier that the header states, and the parents above it.

    Raises `Invalid`: `VhdLocatorInvalid`, `ImageDamaged`, and what `open_parent` raises.
    """
    names = _file_names(source, header, locators, refuse_paths=not options.parents)
    if header.parent_id == bytes(16) or not (names or options.parents):
        raise Invalid(
            f"{source.name} is a differencing VHD that names no parent (identifier "
            f"{header.parent_id.hex()}, {len(locators)} locators)",
            code="ParentNotNamed",
            target=source.name,
            hint="name the parent with --parent FILE" if header.parent_id != bytes(16) else None,
        )

    def matches(candidate: ByteSource) -> bool:
        try:
            return read_footer(candidate, options).footer.unique_id == header.parent_id
        except Invalid:
            return False

    wanted = f"its parent, the VHD with identifier {header.parent_id.hex()}"
    if names:
        wanted += f" called {describe_names(names)}"
    return open_parent(source, names, options, matches=matches, wanted=wanted)


def _file_names(
    source: ByteSource, header: DynamicHeader, locators: list[Locator], *, refuse_paths: bool
) -> list[str]:
    """Plain file names under which the parent may lie beside the child, best first.

    A relative path must be one already; of an absolute path, which is one of another machine,
    the last part is taken.
    """
    names: list[str] = []
    absolute = [(_parent_name(source, header), "the parent's name")]
    for locator in locators:
        field = f"parent locator {locator.platform.decode('latin-1')}"
        if locator.platform == _ABSOLUTE:
            absolute.append((_path(source, locator), field))
        elif locator.platform == _RELATIVE:
            path = _path(source, locator)
            try:
                names.append(plain_file_name(path, field=field, target=source.name))
            except Invalid as fault:
                if refuse_paths or fault.code != "ParentOutsideDirectory":
                    raise
    for path, field in absolute:
        name = last_file_name(path, field=field, target=source.name)
        if name is not None:
            names.append(name)
    return names


def _parent_name(source: ByteSource, header: DynamicHeader) -> str:
    raw = header.raw[_NAME_OFFSET : _NAME_OFFSET + _NAME_BYTES]
    try:
        return raw.decode("utf-16-be").partition("\0")[0]
    except UnicodeDecodeError as fault:
        where = header.offset + _NAME_OFFSET
        raise _no_text(source, "the parent's name", where, fault) from fault


def _path(source: ByteSource, locator: Locator) -> str:
    raw = read_field(source, "a parent locator", locator.offset, locator.length)
    try:
        return raw.decode("utf-16-le").rstrip("\0")
    except UnicodeDecodeError as fault:
        field = f"parent locator {locator.platform.decode('latin-1')}"
        raise _no_text(source, field, locator.offset, fault) from fault


def _no_text(source: ByteSource, field: str, offset: int, fault: UnicodeDecodeError) -> Invalid:
    return refusal(
        source,
        "VhdLocatorInvalid",
        field,
        offset=offset,
        value=f"no UTF-16 text ({fault.reason} at its byte {fault.start})",
        limit="a file name is expected",
    )
