"""From an endpoint's URL to the store it names."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imgrepl.errors import Invalid
from imgrepl.model.region import Endpoint
from imgrepl.model.secrets import without_secrets
from imgrepl.store.credentials import S3Clients
from imgrepl.store.options import StoreOptions
from imgrepl.store.protocols import Store


def open_store(
    endpoint: Endpoint,
    *,
    environment: Mapping[str, str],
    options: StoreOptions,
    clients: S3Clients | None = None,
) -> Store:
    """The bare store that `endpoint.url` names; makes no request.

    Hand in one `clients` for all of a process's stores: places on one server then share
    connections. Raises `Invalid` (`InvalidPlaceUrl`) and `NotAllowed` (`CredentialsMissing`).
    """
    scheme = urlsplit(endpoint.url).scheme
    if scheme == "file":
        return _open_directory(endpoint)
    if scheme == "s3":
        return _open_bucket(endpoint, clients or S3Clients(environment, options))
    raise _invalid(endpoint.url, f"has the scheme {scheme!r}")


def _open_directory(endpoint: Endpoint) -> Store:
    from imgrepl.store.directory import DirectoryStore

    parts = urlsplit(endpoint.url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise _invalid(endpoint.url, "names a host, a query or a fragment")
    path = Path(unquote(parts.path))
    if not path.is_absolute() or ".." in path.parts:
        raise _invalid(endpoint.url, "has no absolute path, or one with '..'")
    return DirectoryStore(path)


def _open_bucket(endpoint: Endpoint, clients: S3Clients) -> Store:
    from imgrepl.store.s3 import S3Store

    parts = urlsplit(endpoint.url)
    if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise _invalid(endpoint.url, "has no bucket, or a user, a query or a fragment")
    if ".." in parts.path.split("/"):
        raise _invalid(endpoint.url, "has '..' in its prefix")
    return S3Store(
        clients.client_of(endpoint),
        bucket=parts.netloc,
        prefix=parts.path,
        url=endpoint.url,
        server=endpoint.server,
        storage_class=endpoint.storage_class,
    )


def _invalid(url: str, why: str) -> Invalid:
    return Invalid(
        f"{without_secrets(url)!r} {why}",
        code="InvalidPlaceUrl",
        target=without_secrets(url),
        hint="a place is s3://BUCKET[/PREFIX] or file:///ABSOLUTE/PATH",
    )
