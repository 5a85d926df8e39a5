"""Ids as types: a function that takes a `ChunkId` cannot be handed a `PackId`.

Hex ids are lower case. Digests are 32 bytes.
"""

from typing import NewType

ChunkId = NewType("ChunkId", bytes)
"""BLAKE3-256 of a chunk's plain bytes, keyed by the dedup domain: 32 bytes."""

PackId = NewType("PackId", str)
"""SHA-256 of a pack's bytes: 64 hex digits."""

ContentId = NewType("ContentId", str)
"""Digest of a disk's content and size: 64 hex digits.

Equal for equal disks, whatever file format they came in.
"""

StoreId = NewType("StoreId", str)
"""Names one store: all the regions of one gallery index; 32 hex digits."""

IndexId = NewType("IndexId", str)
"""Names one gallery index: what `owner.json` points at; 32 hex digits."""

OperationId = NewType("OperationId", str)
"""Names one operation; sorts by time of creation."""

PlaceId = NewType("PlaceId", int)
"""Row number of a place in the gallery index; means nothing outside of it."""

IncarnationId = NewType("IncarnationId", str)
"""Tells a resource from a later one of the same name: 32 hex digits."""
