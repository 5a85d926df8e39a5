"""Who this index is: its store, its own name and epoch, and how its disks are cut."""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from imgrepl.gallery.schema import identity
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DedupDomain, DomainId
from imgrepl.model.ids import IndexId, StoreId

_GENERATIONS_PER_EPOCH = 1 << 16


@dataclass(frozen=True, kw_only=True)
class IndexIdentity:
    """What `store.json` and `owner.json` of every place must agree with."""

    store_id: StoreId
    index_id: IndexId
    epoch: int
    domain: DedupDomain

    @property
    def chunker(self) -> ChunkerParameters:
        """How this store's disks are cut."""
        return self.domain.chunker


def make(tx: Connection, domain: DedupDomain) -> None:
    """Gives a new index an identity of its own; its store's disks are cut as `domain` says."""
    tx.execute(
        insert(identity).values(
            id=1, store_id=uuid.uuid4().hex, index_id=uuid.uuid4().hex, epoch=1,
            domain=_json_of(domain),
        )
    )  # fmt: skip


def read(tx: Connection) -> IndexIdentity:
    """The identity as it stands."""
    row = tx.execute(select(identity)).one()
    return IndexIdentity(
        store_id=StoreId(row.store_id),
        index_id=IndexId(row.index_id),
        epoch=row.epoch,
        domain=_domain_of(row.domain),
    )


def generation_floor(tx: Connection) -> int:
    """The lowest generation that an object new to this index may have.

    An index that took a store over does not know which keys the one before it gave up. So each
    epoch begins above all generations of the last: a DELETE that an old owner sent and that arrives
    late hits nothing of the new one.
    """
    epoch: int = tx.execute(select(identity.c.epoch)).scalar_one()
    return _GENERATIONS_PER_EPOCH * (epoch - 1)


def take_over(tx: Connection) -> IndexIdentity:
    """Raises the epoch: whoever wrote under the old one is fenced out once `owner.json` says so."""
    tx.execute(update(identity).values(epoch=identity.c.epoch + 1))
    return read(tx)


def adopt(tx: Connection, *, store_id: StoreId, domain: DedupDomain, epoch: int) -> IndexIdentity:
    """Makes this the index of a store that exists; `epoch` must be above its last owner's."""
    tx.execute(update(identity).values(store_id=store_id, domain=_json_of(domain), epoch=epoch))
    return read(tx)


def stand_in(
    tx: Connection, *, store_id: StoreId, domain: DedupDomain, index_id: IndexId, epoch: int
) -> IndexIdentity:
    """Gives an index that only reads the identity of the one that it stands in for."""
    values = {"store_id": store_id, "domain": _json_of(domain)}
    tx.execute(update(identity).values(**values, index_id=index_id, epoch=epoch))
    return read(tx)


def _json_of(domain: DedupDomain) -> dict[str, Any]:
    return {
        "domain_id": domain.domain_id.hex(),
        "chunk_key": domain.chunk_key.hex(),
        "average_bytes": domain.chunker.average_bytes,
        "seed": domain.chunker.seed,
    }


def _domain_of(value: dict[str, Any]) -> DedupDomain:
    return DedupDomain(
        domain_id=DomainId(bytes.fromhex(value["domain_id"])),
        chunk_key=bytes.fromhex(value["chunk_key"]),
        chunker=ChunkerParameters(average_bytes=value["average_bytes"], seed=value["seed"]),
    )
