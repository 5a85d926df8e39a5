"""One server copies a pack between two of its places; no byte passes this process."""

from imgrepl.errors import Corrupt, Invalid, NotFound, Unavailable
from imgrepl.model.ids import PackId
from imgrepl.model.proof import ProofLevel
from imgrepl.store.protocols import Store


def copy_pack(
    source: Store, source_key: str, target: Store, target_key: str, pack: tuple[PackId, int]
) -> ProofLevel | None:
    """Has the server copy a pack of that name and length; gives what is proven by that.

    None where it cannot, or fails each time, or the copy is not what it should be. Raises `Corrupt`
    (`PackDamaged`) where it states another checksum for its copy.
    """
    pack_id, pack_bytes = pack
    if not target.can_copy_from(source):
        return None
    try:
        info = target.copy_from(source, source_key, target_key)
    except (Invalid, NotFound):
        return None
    except Unavailable as error:
        if error.code != "ServerFailed":
            raise
        return None  # it answers; what it cannot copy it may be sent
    if info.size_bytes != pack_bytes:
        return None
    if info.sha256 is not None and info.sha256 != bytes.fromhex(pack_id):
        raise Corrupt(
            f"{target.url} states another checksum for its copy of pack {pack_id}",
            code="PackDamaged",
            target=pack_id,
        )
    return ProofLevel.SIZE
