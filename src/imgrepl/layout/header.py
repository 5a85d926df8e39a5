"""What every place begins with: whose store it is, how it is cut, and which index may write."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import (
    HEX_32,
    decode_document,
    encode_document,
    field_corrupt,
    field_unknown,
    identifier,
    number,
    proven,
)
from imgrepl.layout.keys import NUMBER_MAX
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DedupDomain, DomainId
from imgrepl.model.ids import IndexId, StoreId

KNOWN_FEATURES: frozenset[str] = frozenset()
"""Names under `features/` that this release understands; a place with any other is refused."""

EPOCH_MAX = (NUMBER_MAX + 1) >> 16
"""Each epoch has 65,536 generations of its own; later ones would not fit into keys."""

_REGION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SEED = re.compile(r"[0-9a-f]{16}")
_HASHES = {"chunkId": "blake3-256-keyed", "packId": "sha256", "cut": "xxh3-64"}


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """`store.json`: written once, the same in every place of a store."""

    store_id: StoreId
    domains: tuple[DedupDomain, ...]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """`owner.json`: the one object that changes, and only by compare-and-swap."""

    index_id: IndexId
    epoch: int


@dataclass(frozen=True, kw_only=True)
class RegionMark:
    """`region.json` in a region's first place: under which name the region keeps replicas.

    For people and for those who come without an index; who has one goes by it. `portable` says that
    no index keeps this place: a gallery was exported to it, and whoever exports next may take it.
    """

    name: str
    portable: bool = False


def encode_header(header: StoreHeader) -> bytes:
    """The bytes of `store.json`."""
    domains = [
        {
            "id": domain.domain_id.hex(),
            "chunkKey": domain.chunk_key.hex(),
            "averageBytes": domain.chunker.average_bytes,
            "seed": f"{domain.chunker.seed:016x}",
            "hashes": _HASHES,
        }
        for domain in header.domains
    ]
    return encode_document("store", {"storeId": header.store_id, "domains": domains})


def decode_header(data: Buffer) -> StoreHeader:
    """The header in `store.json`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("store", data)
    try:
        unknown = [value["hashes"] for value in body["domains"] if value["hashes"] != _HASHES]
        header = StoreHeader(
            store_id=StoreId(identifier(body["storeId"], HEX_32)),
            domains=tuple(map(_domain_of, body["domains"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise field_corrupt("store", error) from error
    if unknown:
        raise field_unknown("store", f"hashes {unknown[0]}")
    return proven("store", header, encode_header, data)


def _domain_of(value: Mapping[str, Any]) -> DedupDomain:
    return DedupDomain(
        domain_id=DomainId(bytes.fromhex(value["id"])),
        chunk_key=bytes.fromhex(value["chunkKey"]),
        chunker=ChunkerParameters(
            average_bytes=number(value["averageBytes"], NUMBER_MAX),
            seed=int(identifier(value["seed"], _SEED), 16),
        ),
    )


def encode_owner(owner: Owner) -> bytes:
    """The bytes of `owner.json`."""
    return encode_document("owner", {"indexId": owner.index_id, "epoch": owner.epoch})


def decode_owner(data: Buffer) -> Owner:
    """The owner in `owner.json`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("owner", data)
    try:
        owner = Owner(
            index_id=IndexId(identifier(body["indexId"], HEX_32)),
            epoch=number(body["epoch"], EPOCH_MAX, number_min=1),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise field_corrupt("owner", error) from error
    return proven("owner", owner, encode_owner, data)


def encode_region_mark(mark: RegionMark) -> bytes:
    """The bytes of `region.json`."""
    return encode_document("region", {"name": mark.name, "portable": mark.portable})


def decode_region_mark(data: Buffer) -> RegionMark:
    """The name in `region.json`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("region", data)
    try:
        mark = RegionMark(
            name=identifier(body["name"], _REGION_NAME), portable=bool(body["portable"])
        )
    except (KeyError, ValueError) as error:
        raise field_corrupt("region", error) from error
    return proven("region", mark, encode_region_mark, data)
