"""Options of lists: where to look, and which of what is there."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.options import option, options, point_in_time
from imgrepl.errors import UsageError
from imgrepl.model.filters import Filter, Within
from imgrepl.model.region import normal_region_name

_DEFAULT = "default"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GalleryListOptions(BucketOptions):
    """What a list of galleries takes."""

    group: Annotated[
        str | None, option("--resource-group", "-g", text="Of this group only.", metavar="GROUP")
    ] = None
    subscription: Annotated[
        str | None, option("--subscription", text="Of this subscription only.", metavar="NAME")
    ] = None
    tag: Annotated[
        tuple[str, ...],
        options("--tag", text="With these tags: a name, or a name and its value.", metavar="K[=V]"),
    ] = ()
    state: Annotated[
        str | None, option("--state", text="In this provisioning state.", metavar="STATE")
    ] = None
    region: Annotated[
        str | None,
        option("--region", text="With its home, a version with a target, here.", metavar="REGION"),
    ] = None

    @property
    def within(self) -> Within:
        """Where to look."""
        return Within(subscription=self.subscription, group=self.group)

    @property
    def conditions(self) -> Filter:
        """Which of what is there."""
        tags: dict[str, str | None] = {}
        for word in self.tag:
            name, equals, value = word.partition("=")
            if not name:
                raise UsageError(f"--tag {word!r} has no name before its '='", target=word)
            tags[name] = value if equals else None
        return Filter(
            tags=tags,
            state=self.state,
            region=None if self.region is None else normal_region_name(self.region),
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DefinitionListOptions(GalleryListOptions):
    """What a list of image definitions takes: all there are, or those of one gallery."""

    gallery: Annotated[
        str | None,
        option("--gallery-name", "-r", "--gallery", text="Of this gallery.", metavar="GALLERY"),
    ] = None
    everywhere: Annotated[
        bool, option("--all", text="Of every gallery, as without --gallery-name.")
    ] = False

    @property
    def within(self) -> Within:
        """Where to look; a gallery that is named is one of the default group and subscription."""
        if self.gallery is None:
            return Within(subscription=self.subscription, group=self.group)
        if self.everywhere:
            raise UsageError(f"--all looks into every gallery, not into {self.gallery} alone")
        return Within(
            subscription=self.subscription or _DEFAULT,
            group=self.group or _DEFAULT,
            gallery=self.gallery,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class VersionListOptions(DefinitionListOptions):
    """What a list of versions takes."""

    definition: Annotated[
        str | None,
        option(
            "--gallery-image-definition",
            "-i",
            "--image-definition",
            text="Of definitions of this name.",
            metavar="NAME",
        ),
    ] = None
    published_after: Annotated[
        str | None, option("--published-after", text="Published then or later.", metavar="T")
    ] = None
    published_before: Annotated[
        str | None, option("--published-before", text="Published before.", metavar="T")
    ] = None

    @property
    def within(self) -> Within:
        """Where to look."""
        above = super().within
        return Within(
            subscription=above.subscription,
            group=above.group,
            gallery=above.gallery,
            definition=self.definition,
        )

    @property
    def conditions(self) -> Filter:
        """Which of what is there."""
        above = super().conditions
        return Filter(
            tags=above.tags,
            state=above.state,
            region=above.region,
            published_after=point_in_time(self.published_after, "--published-after"),
            published_before=point_in_time(self.published_before, "--published-before"),
        )
