"""Azure Resource Manager ids of our resources."""

from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId

GALLERY_TYPE = "Microsoft.Compute/galleries"


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
