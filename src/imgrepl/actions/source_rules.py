"""What a version that is made from another one must have in common with it."""

from sqlalchemy import Connection

from imgrepl.actions.context import Context
from imgrepl.errors import Invalid
from imgrepl.gallery import definitions
from imgrepl.model.gallery import DefinitionId, ImageDefinition, ImageVersion, PurchasePlan

_SHARED = {
    "os_type": "osType",
    "os_state": "osState",
    "hyper_v_generation": "hyperVGeneration",
    "architecture": "architecture",
    "purchase_plan": "purchasePlan",
}


def check(ctx: Context, tx: Connection, target: DefinitionId, source: ImageVersion) -> None:
    """That the content of `source` is what the definition `target` promises, and no disk too large.

    A definition that is not there yet promises nothing. Raises `Invalid` (`SourceMismatch`,
    `DiskTooLarge`).
    """
    wanted = definitions.find(tx, target)
    has = None if wanted is None else definitions.get(tx, source.id.definition)
    _check_disks(ctx, source, shallow=False)
    if has is not None and wanted is not None:
        _check_same(source, has, wanted)


def check_copy(
    ctx: Context, tx: Connection, target: DefinitionId, source: ImageVersion, has: ImageDefinition
) -> None:
    """The same of a version that may be another index's, whose definition `has` what it promises.

    A bucket may say anything of a version: its data disks have LUNs as here. Raises as `check`, and
    `Invalid` (`InvalidDiskLayout`).
    """
    _check_disks(ctx, source, shallow=source.is_shallow)
    ctx.limits.check_luns(disk.lun for disk in source.disks if disk.lun is not None)
    wanted = definitions.find(tx, target)
    if wanted is not None:
        _check_same(source, has, wanted)


def _check_disks(ctx: Context, source: ImageVersion, *, shallow: bool) -> None:
    for disk in source.disks:
        size_bytes = disk.provisioned_bytes or 0
        ctx.limits.check_disk_bytes(str(source.id), size_bytes, shallow=shallow)


def _check_same(source: ImageVersion, has: ImageDefinition, wanted: ImageDefinition) -> None:
    differ = [
        f"{said}: {_shown(getattr(has, name))}, and {wanted.id} has {_shown(getattr(wanted, name))}"
        for name, said in _SHARED.items()
        if getattr(has, name) != getattr(wanted, name)
    ]
    if differ:
        raise Invalid(
            f"{source.id} cannot be the source of a version of {wanted.id}: {'; '.join(differ)}",
            code="SourceMismatch",
            target=str(source.id),
            details=differ,
            hint="publish it to a definition with the same values; --create-parents makes one",
        )


def _shown(value: object) -> str:
    if isinstance(value, PurchasePlan):
        return "/".join((value.publisher, value.product, value.name))
    return str(value) if value else "none"
