"""What a place's object store must give, one protocol per power.

So that a signature shows what its holder may do.

Keys are relative to the place: `/`-separated, ASCII, no leading slash; `store.keys` has the rule,
and a key that breaks it is `Invalid` (`InvalidKey`). No key may be another one's directory: `a` and
`a/b` do not go together in every store. Bodies and sizes are bytes.
Every method may be called from many threads at once. Errors are those of `imgrepl.errors`:
`NotFound` (permanent), `Conflict` (a condition did not hold), `Corrupt` (bytes or checksum are not
what was written), `Unavailable` (worth a retry), `NotAllowed` (credentials), `Invalid` (the request
itself).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

Body = bytes | bytearray | memoryview


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """What a store says of one object without sending its bytes.

    `etag` is opaque and only good for `if_match`; `sha256` is the checksum the store itself states,
    or None where it states none (a listing never does).
    """

    key: str
    size_bytes: int
    etag: str
    sha256: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteFailure:
    """A key that could not be deleted, and why.

    `transient` says that the server asked for patience: the same request may work later.
    """

    key: str
    reason: str
    transient: bool = False


@runtime_checkable
class Reads(Protocol):
    """May look and read, nothing else."""

    def head(self, key: str) -> ObjectInfo:
        """The object's size, ETag and, where the store keeps one, checksum. Raises `NotFound`."""

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes from `offset`.

        Exactly `length` of them, or all that follow when it is None.

        A negative `offset` counts from the end (and `length` must be None); one that reaches before
        the first byte gives the whole object. Raises `NotFound`; `Corrupt` when the object ends
        before `offset + length`.
        """


@runtime_checkable
class Hurries(Protocol):
    """May be asked with less patience than it has."""

    def within(self, seconds: float) -> Reads:
        """The same objects, from who asks again for so long at most; 0: from who asks once."""


@runtime_checkable
class Lists(Protocol):
    """May enumerate."""

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, in key order, later than `start_after`.

        Pages are fetched as needed.

        Either the iteration is complete or it raises: a page that fails never looks like the end.
        """


@runtime_checkable
class Puts(Protocol):
    """May create and, under a condition, replace."""

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        """Stores `body` under `key`, atomically: a reader sees all of it or none.

        `sha256` is the digest of `body` (computed here when None) and is sent along for the server
        to check. With `if_absent` an existing object is left alone and `Conflict` (`ObjectExists`)
        is raised; with `if_match` the object must still carry that ETag, else `Conflict`
        (`ObjectChanged`). A call that raises `Unavailable` may still have stored the object (a lost
        reply): the caller, or the retrying wrapper, looks.
        """


@runtime_checkable
class Deletes(Protocol):
    """May delete."""

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        """Deletes `keys` (any number.

        An absent key counts as deleted) and gives those that could not be.
        """


@runtime_checkable
class Copies(Protocol):
    """May take an object over from another store without the bytes passing this process."""

    def can_copy_from(self, source: object) -> bool:
        """Whether `copy_from` may be tried: same server and credentials. Makes no request."""

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        """Copies `source_key` of `source` to `key` here, server-side.

        And gives what the server says of the copy.

        Replaces what stood there (copies are conditional on few servers): callers copy immutable,
        content-named objects only. Raises `NotFound` when the source object is missing and
        `Invalid` (`CopyNotSupported`) where the server cannot.
        """


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """An upload in parts that was begun and neither finished nor given up."""

    key: str
    upload_id: str
    begun_at: datetime


@runtime_checkable
class Links(Protocol):
    """May put an object that is larger than one body, and give out signed addresses.

    An upload in parts shows nothing before it is finished.
    """

    def begin(self, key: str) -> str:
        """Begins an upload; gives its id. One that is begun twice is one too many: see below."""

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Part `number`, from 1 on; gives its ETag. All but the last have 5 MiB or more."""

    def finish(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Makes the object of its parts, in their order. Raises `NotFound` for an unknown id."""

    def give_up(self, key: str, upload_id: str) -> None:
        """Frees the parts of an upload; one that is not there is a success."""

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """Uploads under `prefix` that nobody finished, by whomever, as far as the server tells.

        MinIO tells of a whole key only, and frees what is a day old by itself.
        """

    def signed_url(self, key: str, *, seconds: int, filename: str) -> str:
        """An address by which anybody gets the object for so long, as a file of this name.

        Makes no request. The signature ends with the credentials that made it, if these end before.
        """


@runtime_checkable
class Store(Reads, Lists, Puts, Deletes, Copies, Protocol):
    """All powers over one place."""

    @property
    def url(self) -> str:
        """Where this is, for messages: no secrets in it."""
