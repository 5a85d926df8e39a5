"""How one resource is named in another's text or JSON."""

from collections.abc import Mapping

from imgrepl.errors import Invalid
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName


def options_naming(resource: GalleryId | DefinitionId | VersionId | None) -> str:
    """The options that name a resource on the command line; what is the default is left out."""
    match resource:
        case GalleryId():
            named = {"--subscription": resource.subscription, "-g": resource.group}
            words = [f"{option} {name}" for option, name in named.items() if name != "default"]
            return " ".join([*words, f"-r {resource.gallery}"])
        case DefinitionId():
            return f"{options_naming(resource.gallery)} -i {resource.definition}"
        case VersionId():
            return f"{options_naming(resource.definition)} -e {resource.version}"
    return ""


def version_id_to_json(version: VersionId) -> dict[str, str]:
    """A version's id, for an operation's request."""
    return {
        "subscription": version.gallery.subscription,
        "group": version.gallery.group,
        "gallery": version.gallery.gallery,
        "definition": version.definition.definition,
        "version": str(version.version),
    }


def version_id_of_json(value: Mapping[str, str]) -> VersionId:
    """Back from `version_id_to_json`."""
    gallery = GalleryId(
        subscription=value["subscription"], group=value["group"], gallery=value["gallery"]
    )
    return gallery.definition(value["definition"]).version(VersionName.parse(value["version"]))


def parse_gallery_reference(text: str) -> GalleryId:
    """Reads `[SUBSCRIPTION/][GROUP/]GALLERY`. Raises `Invalid` (`InvalidGalleryReference`)."""
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise Invalid(
            f"{text!r} names no gallery: [SUBSCRIPTION/][GROUP/]GALLERY",
            code="InvalidGalleryReference",
            target=text,
            hint="for example golden, or prod/images/golden",
        )
    *above, gallery = parts
    group = above[-1] if above else "default"
    subscription = above[-2] if len(above) > 1 else "default"
    return GalleryId(subscription=subscription, group=group, gallery=gallery)


def parse_version_reference(text: str) -> tuple[DefinitionId, str]:
    """Reads `[SUBSCRIPTION/][GROUP/]GALLERY/NAME/VERSION`; the version may be `latest`.

    Raises `Invalid` (`InvalidVersionReference`).
    """
    parts = text.split("/")
    if not 3 <= len(parts) <= 5 or not all(parts):
        raise Invalid(
            f"{text!r} names no version: imgrepl:[SUBSCRIPTION/][GROUP/]GALLERY/NAME/VERSION",
            code="InvalidVersionReference",
            target=text,
            hint="for example imgrepl:golden/debian/1.0.0",
        )
    *above, definition, version = parts
    return parse_gallery_reference("/".join(above)).definition(definition), version
