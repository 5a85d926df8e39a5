"""What one endpoint was seen to do: found by trying, kept so that it need not be tried again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from imgrepl.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """One probe's findings; each is False where the server refused, ignored or got it wrong.

    `conditional_put`: a put can be told not to replace. `conditional_swap`: a put can be told what
    to replace. `checksum_checked`: a body that is not what its SHA-256 says is refused.
    `checksum_returned`: HEAD states the SHA-256 of a put. `server_copy`: objects are copied without
    passing the client. `copy_keeps_checksum`: HEAD states the SHA-256 of a copy, too; it may have
    been carried over unread. `copy_rehashes`: told to, the server computes a copy's checksum anew
    from its bytes.
    """

    server: str
    conditional_put: bool
    conditional_swap: bool
    checksum_checked: bool
    checksum_returned: bool
    server_copy: bool
    copy_keeps_checksum: bool
    copy_rehashes: bool

    @property
    def may_collect(self) -> bool:
        """Whether unused objects may be deleted: only where a second writer can be fenced out."""
        return self.conditional_put and self.conditional_swap

    def as_json(self) -> dict[str, str | bool]:
        """Plain values by field name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> "Capabilities":
        """The reverse of `as_json`. Raises `Invalid` (`InvalidCapabilities`)."""
        names = {field.name for field in fields(cls)}
        if set(values) != names or not isinstance(values["server"], str):
            raise _invalid(f"has the fields {sorted(values)}, not {sorted(names)}")
        flags = {name: values[name] for name in names - {"server"}}
        if not all(isinstance(flag, bool) for flag in flags.values()):
            raise _invalid("has a value that is neither true nor false")
        return cls(server=values["server"], **{name: flag is True for name, flag in flags.items()})


def _invalid(why: str) -> Invalid:
    return Invalid(
        f"a probe's record {why}", code="InvalidCapabilities", hint="probe the region again"
    )
