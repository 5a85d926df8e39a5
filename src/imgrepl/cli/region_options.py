"""The options of `region add` and `update`, and the regions they make."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.endpoints import EndpointOptions
from imgrepl.cli.options import option, options
from imgrepl.model.region import Endpoint, Region, normal_region_name


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RegionOptions(EndpointOptions):
    """Where a region's replicas go, beside its first URL."""

    replica_urls: Annotated[
        tuple[str, ...] | None,
        options(
            "--replica-url",
            text="Further places for replicas: s3://BUCKET at --endpoint, or on a server of its"
            " own http://HOST:PORT/BUCKET, or file:///PATH.",
            metavar="URL",
        ),
    ] = None
    zones: Annotated[
        tuple[str, ...] | None,
        options("--zone", text="The three zones of Standard_ZRS.", metavar="URL"),
    ] = None
    premium: Annotated[
        str | None, option("--premium", text="Where Premium_LRS is kept.", metavar="URL")
    ] = None
    premium_storage_class: Annotated[
        str | None,
        option("--premium-storage-class", text="Its storage class, if any.", metavar="CLASS"),
    ] = None
    parent: Annotated[
        str | None,
        option("--parent", text="It is an edge zone of this region.", metavar="REGION"),
    ] = None
    display_name: Annotated[
        str | None, option("--display-name", text="For people: East US.", metavar="NAME")
    ] = None

    def region(self, name: str, url: str) -> Region:
        """A new region of this name with these places."""
        return Region(
            name=normal_region_name(name),
            display_name=self.display_name or name,
            standard=self._endpoints((url, *(self.replica_urls or ()))),
            zones=self._endpoints(self.zones or ()),
            premium=None if self.premium is None else self._premium(self.premium),
            parent=None if self.parent is None else normal_region_name(self.parent),
        )

    def changed(self, present: Region, url: str | None) -> Region:
        """`present` with what was stated: places by their URLs, the rest at every endpoint."""
        first, *others = present.standard
        return replace(
            present,
            display_name=self.display_name or present.display_name,
            standard=(
                self.endpoint_of(url) if url is not None else self.overlaid(first),
                *self._stated(self.replica_urls, others),
            ),
            zones=self._stated(self.zones, present.zones),
            premium=self._changed_premium(present.premium),
            parent=present.parent if self.parent is None else normal_region_name(self.parent),
        )

    def _stated(
        self, urls: Sequence[str] | None, present: Sequence[Endpoint]
    ) -> tuple[Endpoint, ...]:
        if urls is None:
            return tuple(self.overlaid(endpoint) for endpoint in present)
        return self._endpoints(urls)

    def _endpoints(self, urls: Sequence[str]) -> tuple[Endpoint, ...]:
        return tuple(self.endpoint_of(url) for url in urls)

    def _premium(self, url: str) -> Endpoint:
        return replace(self.endpoint_of(url), storage_class=self.premium_storage_class)

    def _changed_premium(self, present: Endpoint | None) -> Endpoint | None:
        if self.premium is not None:
            return self._premium(self.premium)
        if present is None:
            return None
        kept = self.premium_storage_class or present.storage_class
        return replace(self.overlaid(present), storage_class=kept)
