"""Azure Resource Manager ids of our resources."""

import re

from imgrepl.errors import Invalid
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.references import parse_version_reference

GALLERY_TYPE = "Microsoft.Compute/galleries"
_VERSION = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute"
    r"/galleries/([^/]+)/images/([^/]+)/versions/([^/]+)",
    re.IGNORECASE,
)


_CONSUMERS = re.compile(
    r"/(?:SharedGalleries|CommunityGalleries)/([^/]+)/Images/([^/]+)/Versions/([^/]+)",
    re.IGNORECASE,
)
_RESOURCE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.Compute/galleries/(?P<gallery>[^/]+)"
    r"(?:/images/(?P<definition>[^/]+)(?:/versions/(?P<version>[^/]+))?)?",
    re.IGNORECASE,
)
_OPTIONS = {
    "subscription": "--subscription",
    "group": "--resource-group",
    "gallery": "--gallery-name",
    "definition": "--gallery-image-definition",
    "version": "--gallery-image-version",
}


def id_of_source(source: str) -> str | None:
    """The id of the version that a source `imgrepl:…` names; None for any other source.

    None as well for a version by a name that consumers use: its owner's id is not theirs to know.
    """
    scheme, _colon, reference = source.partition(":")
    if scheme != "imgrepl":
        return None
    try:
        definition, version = parse_version_reference(reference)
    except Invalid:  # whoever wrote the record that this was read from
        return None
    if "-" in definition.gallery.gallery:
        return None
    return f"{definition_id(definition)}/versions/{version}"


def options_of(text: str) -> list[str]:
    """The options that name what an id does; none for a text that is no such id."""
    match = _RESOURCE.fullmatch(text)
    if match is None:
        return []
    named = {option: match[part] for part, option in _OPTIONS.items() if match[part] is not None}
    return [word for pair in named.items() for word in pair]


def gallery_id(gallery: GalleryId) -> str:
    """`/subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/galleries/…`."""
    return (
        f"/subscriptions/{gallery.subscription}/resourceGroups/{gallery.group}"
        f"/providers/{GALLERY_TYPE}/{gallery.gallery}"
    )


def definition_id(definition: DefinitionId) -> str:
    """The gallery's id, then `/images/…`."""
    return f"{gallery_id(definition.gallery)}/images/{definition.definition}"


def version_id(version: VersionId) -> str:
    """The definition's id, then `/versions/…`."""
    return f"{definition_id(version.definition)}/versions/{version.version}"


def source_of(text: str) -> str:
    """The source `imgrepl:…` that the id of a version means; any other text as it is.

    An id is the owner's, or the one by which consumers know a shared or a community gallery.
    """
    match = _VERSION.fullmatch(text) or _CONSUMERS.fullmatch(text)
    return text if match is None else "imgrepl:" + "/".join(match.groups())
