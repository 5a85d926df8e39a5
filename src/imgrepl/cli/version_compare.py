"""`imgrepl image-version compare`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.comparing_page import comparing_page
from imgrepl.cli.options import GroupOptions, option
from imgrepl.cli.run import Injected
from imgrepl.errors import UsageError
from imgrepl.model.gallery import GalleryId, VersionId
from imgrepl.model.references import parse_version_reference

if TYPE_CHECKING:
    from imgrepl.actions.context import Context


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompareOptions(BucketOptions, GroupOptions):
    """Where versions are that were named by their number alone."""

    gallery: Annotated[
        str | None, option("--gallery-name", "-r", "--gallery", text="Gallery.", metavar="GALLERY")
    ] = None
    definition: Annotated[
        str | None,
        option(
            "--gallery-image-definition",
            "-i",
            "--image-definition",
            text="Image definition.",
            metavar="NAME",
        ),
    ] = None

    def found(self, ctx: "Context", text: str) -> VersionId:
        """The version that `text` names, by its number or by all of its names; or `latest`."""
        from imgrepl.actions import versions

        if "/" in text:
            definition, name = parse_version_reference(text)
        elif self.gallery is None or self.definition is None:
            raise UsageError(
                f"{text!r} names a version of the definition that -r and -i name",
                target=text,
                hint="give both, or write GALLERY/NAME/VERSION",
            )
        else:
            gallery = GalleryId(
                subscription=self.subscription, group=self.group, gallery=self.gallery
            )
            definition, name = gallery.definition(self.definition), text
        return versions.show(ctx, definition, name).version.id


def compare(
    version_a: str,
    version_b: str,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    run: Injected,
) -> Answer:
    """Say whether what runs on A may go on with B, and how many bytes they share.

    Of two galleries or definitions name both as GALLERY/NAME/VERSION; with -r and -i their numbers
    do. What blocks is told with its reason, as is what depends on the machine. Content in common is
    told chunk by chunk, from the footers of the packs.

    For example:

        imgrepl image-version compare golden/debian/1.0.0 silver/debian/latest

    Exit codes: 0 compared, whether they differ or not; 3 no such version; 4 one is still being
    published.
    """
    from imgrepl.actions import comparing
    from imgrepl.azure import comparing_shapes

    with options.opened(run) as ctx:
        first, second = (options.found(ctx, text) for text in (version_a, version_b))
        found = comparing.compare(ctx, first, second)
    return Answer(comparing_shapes.comparison(found), page=comparing_page)
