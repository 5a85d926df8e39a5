"""The rules of shallow versions: they point at one source, from one region, and keep nothing."""

from collections.abc import Iterable

from imgrepl.errors import Invalid
from imgrepl.model.gallery import TargetRegion
from imgrepl.model.region import StorageAccountType

_HINT = "leave --replication-mode away (Full) for copies in regions"


def check_targets(targets: Iterable[TargetRegion], home: str, *, hint: str = _HINT) -> None:
    """One target region, which is the home region, one replica, `Standard_LRS`.

    Raises `Invalid` (`ShallowRule`).
    """
    found = list(targets)
    names = [target.name for target in found]
    if names != [home]:
        raise _broken(
            f"a shallow version stands in its home region {home} alone, not in {', '.join(names)}",
            hint,
        )
    if found[0].replica_count != 1:
        raise _broken(
            f"a shallow version has 1 replica, not {found[0].replica_count}: nothing is copied",
            hint,
        )
    if found[0].storage_account_type is not StorageAccountType.STANDARD_LRS:
        raise _broken(
            f"a shallow version is {StorageAccountType.STANDARD_LRS}, not"
            f" {found[0].storage_account_type}: nothing is kept",
            hint,
        )


def check_sources(sources: Iterable[str], parents: Iterable[object]) -> None:
    """Files and objects only, each of them whole by itself. Raises `Invalid` (`ShallowRule`)."""
    for source in sources:
        if source.startswith("imgrepl:"):
            raise _broken(f"a shallow version points at a file or an s3:// object, not at {source}")
    if list(parents):
        raise _broken("a shallow version points at one file a disk: --parent is for Full ones")


def _broken(message: str, hint: str = _HINT) -> Invalid:
    return Invalid(message, code="ShallowRule", target="replicationMode", hint=hint)
