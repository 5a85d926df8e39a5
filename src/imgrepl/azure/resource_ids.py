"""Azure Resource Manager ids of our resources."""

import re

from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId

GALLERY_TYPE = "Microsoft.Compute/galleries"
_VERSION = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute"
    r"/galleries/([^/]+)/images/([^/]+)/versions/([^/]+)",
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
    """The source `imgrepl:…` that the id of a version means; any other text as it is."""
    match = _VERSION.fullmatch(text)
    return text if match is None else "imgrepl:" + "/".join(match.groups())
