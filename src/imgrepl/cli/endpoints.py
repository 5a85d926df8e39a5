"""How a region's buckets are reached: options, and the endpoints they make."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from imgrepl.cli.options import choice, option
from imgrepl.errors import Invalid, UsageError
from imgrepl.model.region import Endpoint
from imgrepl.model.secrets import without_secrets


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """Where a bucket is and which credentials open it, by reference and never by value."""

    endpoint: Annotated[
        str | None, option("--endpoint", text="S3 endpoint; AWS if absent.", metavar="URL")
    ] = None
    profile: Annotated[
        str | None, option("--profile", text="Profile of the AWS files.", metavar="NAME")
    ] = None
    credentials_file: Annotated[
        str | None, option("--credentials-file", text="INI file of the AWS form.", metavar="FILE")
    ] = None
    credentials_env: Annotated[
        str | None,
        option(
            "--credentials-env",
            text="Read PREFIX_ACCESS_KEY_ID and PREFIX_SECRET_ACCESS_KEY when they are needed.",
            metavar="PREFIX",
        ),
    ] = None
    signing_region: Annotated[
        str | None, option("--signing-region", text="Region in signatures.", metavar="REGION")
    ] = None
    addressing: Annotated[
        str | None,
        choice(
            "--addressing", text="Where a bucket's name stands in a URL.", of=("path", "virtual")
        ),
    ] = None
    ca_file: Annotated[
        str | None, option("--ca-file", text="Certificates to trust, PEM.", metavar="FILE")
    ] = None

    def endpoint_of(self, url: str) -> Endpoint:
        """The endpoint `url` names.

        `s3://BUCKET[/PREFIX]` is at `--endpoint`; `http[s]://HOST:PORT/BUCKET[/PREFIX]` names its
        own server, with the same credentials; `file:///PATH` is a directory. Raises `UsageError`
        where credentials are named twice, and `Invalid` (`InvalidRegionUrl`) for a server without
        a bucket, or with credentials.
        """
        self._refuse_two_credentials()
        _refuse_login(url)
        _refuse_login(self.endpoint)
        if url.startswith("file:"):
            return Endpoint(url=url)
        parts = urlsplit(url)
        own_server = parts.scheme in {"http", "https"}
        if own_server and not parts.path.strip("/"):
            raise Invalid(
                f"{url!r} names a server and no bucket",
                code="InvalidRegionUrl",
                target=url,
                hint=f"use {url.rstrip('/')}/BUCKET, or s3://BUCKET with --endpoint {url}",
            )
        return Endpoint(
            url=f"s3:/{parts.path}" if own_server else url,
            endpoint_url=f"{parts.scheme}://{parts.netloc}" if own_server else self.endpoint,
            profile=self.profile,
            credentials_file=self.credentials_file,
            credentials_env=self.credentials_env,
            signing_region=self.signing_region,
            addressing=self.addressing or "auto",
            ca_file=self.ca_file,
        )

    def place_of(self, text: str) -> Endpoint:
        """As `endpoint_of`, and a path without a scheme is a directory."""
        return self.endpoint_of(text if "://" in text else Path(text).absolute().as_uri())

    def overlaid(self, present: Endpoint) -> Endpoint:
        """`present` with the options that were given; new credentials replace the old ones."""
        self._refuse_two_credentials()
        _refuse_login(self.endpoint)
        if present.url.startswith("file:"):
            return present
        stated = {
            "endpoint_url": self.endpoint,
            "signing_region": self.signing_region,
            "addressing": self.addressing,
            "ca_file": self.ca_file,
        }
        changes: dict[str, str | None] = {
            name: value for name, value in stated.items() if value is not None
        }
        if self.profile or self.credentials_file or self.credentials_env:
            changes |= {
                "profile": self.profile,
                "credentials_file": self.credentials_file,
                "credentials_env": self.credentials_env,
            }
        return replace(present, **changes)  # type: ignore[arg-type]

    def _refuse_two_credentials(self) -> None:
        named = [self.profile, self.credentials_file, self.credentials_env]
        if sum(word is not None for word in named) > 1:
            raise UsageError("of --profile, --credentials-file and --credentials-env give one")


def _refuse_login(url: str | None) -> None:
    """URLs are stored and shown; credentials are neither."""
    if url is not None and "@" in urlsplit(url).netloc:
        raise Invalid(
            f"{without_secrets(url)!r} has credentials in it",
            code="InvalidRegionUrl",
            hint="name them by --profile, --credentials-file or --credentials-env",
        )
