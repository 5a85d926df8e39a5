"""Reads what a shallow version points at, if it is still the same; never anything else."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from imgrepl.actions import disk_sources
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import pointed_at
from imgrepl.engine import pointing
from imgrepl.engine.exporter import Writes
from imgrepl.engine.fetching import BadRead
from imgrepl.engine.guest_digest import GuestDigest
from imgrepl.engine.reading import allocated_bytes
from imgrepl.errors import Corrupt, NotFound
from imgrepl.model.gallery import ImageVersion, VersionDisk


class ReadableDisk(NamedTuple):
    """A disk of a version, opened where `region` says.

    `export` writes what is occupied, `digest` gives the SHA-256 of all that the guest sees; both
    say how many bytes each region served, and tell how many are done. `occupied_bytes` is an upper
    bound where nothing was counted yet. `bad` are the bad reads so far.
    """

    region: str
    size_bytes: int
    occupied_bytes: int
    export: Callable[[Writes, Callable[[int], None]], Counter[str]]
    digest: Callable[[Callable[[int], None]], tuple[str, Counter[str]]]
    bad: Sequence[BadRead] = ()


@contextmanager
def opened(
    ctx: Context, version: ImageVersion, disk: VersionDisk, region: str | None, number: int | None
) -> Iterator[ReadableDisk]:
    """The disk as its source gives it.

    Raises `Corrupt` (`ShallowSourceChanged`); `NotFound`: `ShallowSourceMissing`,
    `NotAvailableInRegion`, `ReplicaNotFound`.
    """
    _check_named(version, region, number)
    with disk_sources.opened(ctx, [pointed_at(disk)], quiet=True, shallow=True) as (source,):
        _check_size(disk, source.disk.size_bytes)

        def export(writer: Writes, progress: Callable[[int], None]) -> Counter[str]:
            done = pointing.export_source(ctx.engine, source, disk, writer, progress)
            return Counter({version.location: done})

        def digest(progress: Callable[[int], None]) -> tuple[str, Counter[str]]:
            found = GuestDigest(source.disk, ctx.engine.stop).result()
            progress(source.disk.size_bytes)
            pointing.check_after_reading(source.disk, disk, found)
            return found, Counter({version.location: source.disk.size_bytes})

        yield ReadableDisk(
            version.location,
            source.disk.size_bytes,
            allocated_bytes(source.disk),
            export,
            digest,
        )


def _check_named(version: ImageVersion, region: str | None, number: int | None) -> None:
    if region is not None and region != version.location:
        raise NotFound(
            f"{version.id} is a shallow version: it is used in its home region"
            f" {version.location} alone, not in {region}",
            code="NotAvailableInRegion",
            target=region,
            hint="`imgrepl image-version update --replication-mode Full --add-regions` copies it",
        )
    if number is not None and number != 0:
        raise NotFound(
            f"{version.id} is a shallow version: it has replica 0 alone, not {number}",
            code="ReplicaNotFound",
            target=str(number),
        )


def _check_size(disk: VersionDisk, size_bytes: int) -> None:
    if size_bytes != disk.provisioned_bytes:
        raise Corrupt(
            f"{disk.source} holds a disk of {size_bytes} bytes; the version has one of"
            f" {disk.provisioned_bytes}",
            code="ShallowSourceChanged",
            target=disk.source,
        )
