"""`--from-bucket`: what lies in a region's bucket, looked at without any index."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.endpoints import EndpointOptions
from imgrepl.cli.options import option, options
from imgrepl.cli.run import Run
from imgrepl.errors import UsageError
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import normal_region_name

if TYPE_CHECKING:
    from imgrepl.actions.context import Context


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BucketOptions(EndpointOptions):
    """A region's bucket, and how it is reached."""

    from_bucket: Annotated[
        tuple[str, ...],
        options(
            "--from-bucket",
            text="Read a region's bucket or directory itself, as `region add` takes it, with no"
            " index; further ones are its replica URLs.",
            metavar="URL",
        ),
    ] = ()
    bucket_region: Annotated[
        str | None,
        option(
            "--bucket-region",
            text="Which region the bucket is; what it says itself if absent.",
            metavar="REGION",
        ),
    ] = None
    bucket_zones: Annotated[
        tuple[str, ...],
        options("--bucket-zone", text="Its three zones, if any.", metavar="URL"),
    ] = ()
    bucket_premium: Annotated[
        str | None, option("--bucket-premium", text="Its premium place, if any.", metavar="URL")
    ] = None

    @property
    def bucket(self) -> PeerBucket | None:
        """The bucket that was named, if one was. Raises `UsageError` for options without it."""
        if not self.from_bucket:
            self._refuse_what_needs_it()
            return None
        return PeerBucket(
            standard=tuple(self.place_of(url) for url in self.from_bucket),
            zones=tuple(self.place_of(url) for url in self.bucket_zones),
            premium=None if self.bucket_premium is None else self.place_of(self.bucket_premium),
            region=None if self.bucket_region is None else normal_region_name(self.bucket_region),
        )

    @contextmanager
    def opened(self, run: Run) -> Iterator["Context"]:
        """The gallery that is asked: the index's own, or what lies in the bucket."""
        bucket = self.bucket
        with run.open() if bucket is None else run.open_peer(bucket) as ctx:
            yield ctx

    def _refuse_what_needs_it(self) -> None:
        given = {
            "--endpoint": self.endpoint,
            "--profile": self.profile,
            "--credentials-file": self.credentials_file,
            "--credentials-env": self.credentials_env,
            "--signing-region": self.signing_region,
            "--addressing": self.addressing,
            "--ca-file": self.ca_file,
            "--bucket-region": self.bucket_region,
            "--bucket-zone": self.bucket_zones,
            "--bucket-premium": self.bucket_premium,
        }
        for name, value in given.items():
            if value:
                raise UsageError(f"{name} says how to reach a bucket: it goes with --from-bucket")
