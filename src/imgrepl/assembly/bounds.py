"""The bounds of the engine, of the gallery and of a new store, out of settings."""

from dataclasses import replace

from imgrepl.engine.options import EngineOptions
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN, DedupDomain
from imgrepl.model.limits import Limits
from imgrepl.settings import Settings
from imgrepl.store.adaptive import WindowOptions
from imgrepl.store.options import StoreOptions


def engine_options(settings: Settings) -> EngineOptions:
    """The engine's bounds, as set."""
    return EngineOptions(
        workers=settings.workers,
        zstd_level=settings.zstd_level,
        zstd_level_update=settings.zstd_level_update,
        uploads_in_flight=settings.uploads_in_flight,
        region_uploads=settings.region_uploads,
        downloads_in_flight=settings.downloads_in_flight,
        transfer_budget_bytes=settings.transfer_budget_bytes,
        lease_seconds=settings.lease_seconds,
    )


def store_options(settings: Settings) -> StoreOptions:
    """The bounds of the clients of S3 servers, as set."""
    return StoreOptions(
        connections_max=max(StoreOptions.connections_max, settings.requests_in_flight_max),
        connect_timeout_seconds=settings.connect_timeout_seconds,
        read_timeout_seconds=settings.read_timeout_seconds,
    )


def window_options(settings: Settings) -> WindowOptions:
    """How many requests a server may be sent at once, as set."""
    return WindowOptions(maximum=settings.requests_in_flight_max)


def limits_of(settings: Settings) -> Limits:
    """The gallery's limits, as set."""
    return Limits(
        galleries_max=settings.galleries_max,
        definitions_max=settings.definitions_max,
        versions_max=settings.versions_max,
        replicas_max=settings.replicas_max,
        shared_subscriptions_max=settings.shared_subscriptions_max,
        shared_tenants_max=settings.shared_tenants_max,
        grants_max=settings.grants_max,
        disk_bytes_max=settings.disk_bytes_max,
        shallow_disk_bytes_max=settings.shallow_disk_bytes_max,
        tags_max=settings.tags_max,
    )


def new_domain(settings: Settings) -> DedupDomain:
    """How the disks of a store that is being made are cut; one that is there keeps its own."""
    chunker = ChunkerParameters(average_bytes=settings.average_chunk_bytes)
    return replace(DEFAULT_DOMAIN, chunker=chunker)
