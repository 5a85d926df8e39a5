"""Options that several commands share, and how their words become values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.errors import UsageError
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName

if TYPE_CHECKING:
    from imgrepl.actions.context import Context
    from imgrepl.azure.generic_update import Edits


def option(*names: str, text: str, metavar: str | None = None) -> Parameter:
    """An option of one value; the first name is the one that messages use."""
    return Parameter(name=list(names) or None, help=text, metavar=metavar)


def options(*names: str, text: str, metavar: str) -> Parameter:
    """An option of any number of values: `--x a b`, or `--x a --x b`."""
    return Parameter(name=list(names), help=text, metavar=f"{metavar} …", consume_multiple=True)


def choice(*names: str, text: str, of: Sequence[str]) -> Parameter:
    """An option whose value is one of `of`; where it is typed as an enum, in any case."""
    return Parameter(name=list(names), help=text, choices=tuple(str(word) for word in of))


def three_state(*names: str, text: str) -> Parameter:
    """An option that stands alone for true, takes `true` or `false`, or is not given."""
    return Parameter(
        name=list(names),
        help=text,
        metavar="[true|false]",
        consume_multiple=(0, 1),
        choices=("true", "false"),
        show_choices=False,
    )


ThreeState = tuple[str, ...] | None
"""What a three-state option gives; `truth` reads it."""


def truth(value: ThreeState) -> bool | None:
    """True, false, or None where the option was not given."""
    if value is None:
        return None
    return value in ((), ("true",))


Yes = Annotated[bool, Parameter(name=["--yes", "-y"], help="Do not ask.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", help="Print the plan and change nothing.")]
IfMatch = Annotated[
    str | None,
    Parameter(
        name="--if-match",
        help="Go ahead only while the resource has this etag, as show gave it.",
        metavar="ETAG",
    ),
]
BypassSoftDelete = Annotated[
    bool, Parameter(name="--bypass-soft-delete", help="Past the gallery's bin, for good.")
]
DoneOnReturn = Annotated[
    bool, Parameter(name="--no-wait", help="As az; nothing is left to be waited for here.")
]
NoWait = Annotated[
    bool, Parameter(name="--no-wait", help="Leave the work to a detached worker and return.")
]
Tags = Annotated[
    tuple[str, ...] | None, options("--tags", text="Tags; none at all clears them.", metavar="K=V")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """The generic update of az: edits of the JSON that `show` prints."""

    set_words: Annotated[
        tuple[str, ...],
        options("--set", text="As az: fields by their path.", metavar="PATH=VALUE"),
    ] = ()
    add_words: Annotated[
        tuple[str, ...],
        options("--add", text="As az: an entry for a list.", metavar="PATH KEY=VALUE"),
    ] = ()
    remove_words: Annotated[
        tuple[str, ...],
        options("--remove", text="As az: a field, or a list's entry.", metavar="PATH [NUMBER]"),
    ] = ()
    force_string: Annotated[
        bool, option("--force-string", text="As az: values of --set are text, never JSON.")
    ] = False

    @property
    def edits(self) -> "Edits":
        """What these options ask for."""
        from imgrepl.azure.generic_update import Edits

        return Edits(
            sets=self.set_words,
            adds=self.add_words,
            removes=self.remove_words,
            force_string=self.force_string,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """Where galleries are: a subscription and a resource group."""

    group: Annotated[
        str, option("--resource-group", "-g", text="Resource group.", metavar="GROUP")
    ] = "default"
    subscription: Annotated[
        str, option("--subscription", text="Subscription.", metavar="SUBSCRIPTION")
    ] = "default"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GalleryOptions(GroupOptions):
    """Names a gallery."""

    gallery: Annotated[
        str, option("--gallery-name", "-r", "--gallery", text="Gallery.", metavar="GALLERY")
    ]

    @property
    def gallery_id(self) -> GalleryId:
        """The gallery that was named."""
        return GalleryId(subscription=self.subscription, group=self.group, gallery=self.gallery)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DefinitionOptions(GalleryOptions):
    """Names an image definition."""

    definition: Annotated[
        str,
        option(
            "--gallery-image-definition",
            "-i",
            "--image-definition",
            text="Image definition.",
            metavar="NAME",
        ),
    ]

    @property
    def definition_id(self) -> DefinitionId:
        """The definition that was named."""
        return self.gallery_id.definition(self.definition)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class VersionOptions(DefinitionOptions):
    """Names an image version, by its number: what changes it must not depend on what is newest."""

    version: Annotated[
        str,
        option("--gallery-image-version", "-e", text="Image version.", metavar="M.M.P"),
    ]

    @property
    def version_id(self) -> VersionId:
        """The version that was named."""
        if self.version.lower() == "latest":
            raise UsageError(
                "latest is for looking only: name the version by its number",
                hint="`imgrepl image-version show` with -e latest tells which it is",
            )
        return self.definition_id.version(VersionName.parse(self.version))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class VersionOrLatestOptions(DefinitionOptions):
    """Names an image version to look at, or `latest`."""

    version: Annotated[
        str,
        option("--gallery-image-version", "-e", text="Version, or latest.", metavar="M.M.P|latest"),
    ]

    def found(self, ctx: "Context", region: str | None = None) -> VersionId:
        """The version that was named; `latest` is resolved, as in `region` where that is given."""
        if self.version.lower() != "latest":
            return self.definition_id.version(VersionName.parse(self.version))
        from imgrepl.actions import versions

        return versions.show(ctx, self.definition_id, self.version, region=region).version.id


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How strictly image files are read, and what is computed on the way."""

    sha256: Annotated[
        bool, option("--sha256", text="Also digest each whole disk, as the guest sees it.")
    ] = False
    ignore_checksum: Annotated[
        bool, option("--ignore-checksum", text="Read a VHD although a checksum in it is wrong.")
    ] = False
    size_from: Annotated[
        str,
        choice(
            "--size-from",
            text="Which of a VHD's own statements of its size counts. Default: current.",
            of=("current", "geometry"),
        ),
    ] = "current"

    @property
    def size_from_geometry(self) -> bool:
        """Whether a VHD is as large as its CHS geometry says."""
        return self.size_from == "geometry"


def pairs(words: Sequence[str], name: str) -> dict[str, str]:
    """`("k=v", "flag")` as a mapping; a word without `=` gets the empty value, as with az."""
    found: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if not key and word:
            raise UsageError(f"{name} {word!r} has no name before its '='", target=word)
        if key in found:
            raise UsageError(f"{name} names {key!r} twice", target=key)
        if key:
            found[key] = value
    return found


def optional_pairs(words: Sequence[str] | None, name: str) -> dict[str, str] | None:
    """As `pairs`, and None where the option was not given."""
    return None if words is None else pairs(words, name)


def point_in_time(text: str | None, name: str) -> datetime | None:
    """An ISO 8601 date or time; one without a zone is UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{name} {text!r} is no ISO 8601 date or time",
            target=text,
            hint="write 2027-06-30 or 2027-06-30T12:00:00Z",
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
