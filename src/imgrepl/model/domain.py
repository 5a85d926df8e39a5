"""A dedup domain: who may share chunks, how its disks are cut and how its chunks are named."""

from dataclasses import dataclass, field
from typing import NewType

from imgrepl.errors import Invalid
from imgrepl.model.chunker import ChunkerParameters

DomainId = NewType("DomainId", bytes)
"""Names one dedup domain of a store: 16 random bytes."""

DOMAIN_ID_BYTES = 16
CHUNK_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class DedupDomain:
    """Chunks are shared inside a domain and never across: their names do not compare.

    `chunk_key` keys the BLAKE3 that names chunks (32 bytes) and stays out of `repr`.
    """

    domain_id: DomainId
    chunk_key: bytes = field(repr=False)
    chunker: ChunkerParameters = field(default_factory=ChunkerParameters)

    def __post_init__(self) -> None:
        if len(self.domain_id) != DOMAIN_ID_BYTES or len(self.chunk_key) != CHUNK_KEY_BYTES:
            raise Invalid(
                f"a dedup domain has an id of {DOMAIN_ID_BYTES} bytes and a key of"
                f" {CHUNK_KEY_BYTES}; got {len(self.domain_id)} and {len(self.chunk_key)}",
                code="InvalidDedupDomain",
            )


DEFAULT_DOMAIN = DedupDomain(
    domain_id=DomainId(b"imgrepl domain 1"), chunk_key=b"imgrepl dedup domain, release 1\n"
)
"""What every store is made with, unless it is told otherwise; part of the format.

Stores that share it name equal chunks alike, so that packs can go from one to the other as they
are.
"""
