"""Which resources a list shows: those that meet every condition that is stated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imgrepl.model.gallery import DefinitionId, Gallery, GalleryId, ImageDefinition, ImageVersion


@dataclass(frozen=True, kw_only=True)
class Within:
    """Where to look. What is None is every one; names compare without case."""

    subscription: str | None = None
    group: str | None = None
    gallery: str | None = None
    definition: str | None = None

    @property
    def is_by_consumers_name(self) -> bool:
        """Whether the gallery is named as consumers know it, wherever it is: with a dash."""
        return self.gallery is not None and "-" in self.gallery

    @property
    def one_gallery(self) -> GalleryId | None:
        """The gallery, where all of its names are stated."""
        if self.subscription is None or self.group is None or self.gallery is None:
            return None
        return GalleryId(subscription=self.subscription, group=self.group, gallery=self.gallery)

    @property
    def one_definition(self) -> DefinitionId | None:
        """The definition, where all of its names are stated."""
        if self.one_gallery is None or self.definition is None:
            return None
        return self.one_gallery.definition(self.definition)

    def has_gallery(self, gallery: Gallery) -> bool:
        """Whether a gallery is looked into."""
        if self.gallery is not None and self.is_by_consumers_name:
            return gallery.is_known_as(self.gallery)
        return (
            _is(self.subscription, gallery.id.subscription)
            and _is(self.group, gallery.id.group)
            and _is(self.gallery, gallery.id.gallery)
        )

    def has_definition(self, definition: ImageDefinition) -> bool:
        """Whether a definition of such a gallery is looked into."""
        return _is(self.definition, definition.id.definition)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Conditions on what is listed. `tags` with the value None ask for the tag alone.

    `state` is a provisioning state, in any case; `region` a normal name: of a target of a version,
    and of the home of others.
    """

    tags: Mapping[str, str | None] = field(default_factory=dict)
    state: str | None = None
    region: str | None = None
    published_after: datetime | None = None
    published_before: datetime | None = None

    def passes(self, resource: Gallery | ImageDefinition | ImageVersion) -> bool:
        """Whether a resource is shown."""
        return (
            all(_has_tag(resource.tags, *tag) for tag in self.tags.items())
            and _is(self.state, resource.provisioning_state.value)
            and (self.region is None or self.region in _regions_of(resource))
            and self._is_of_time(resource)
        )

    def _is_of_time(self, resource: Gallery | ImageDefinition | ImageVersion) -> bool:
        if self.published_after is None and self.published_before is None:
            return True
        at = resource.published_at if isinstance(resource, ImageVersion) else resource.created_at
        if at is None:
            return False
        after = self.published_after is None or at >= self.published_after
        return after and (self.published_before is None or at < self.published_before)


EVERYWHERE = Within()
EVERYTHING = Filter()


def _regions_of(resource: Gallery | ImageDefinition | ImageVersion) -> set[str]:
    if isinstance(resource, ImageVersion):
        return {target.name for target in resource.target_regions}
    return {resource.location}


def _has_tag(tags: Mapping[str, str], name: str, value: str | None) -> bool:
    """Tag names compare without case, values as they are: as in Azure."""
    found = {key.lower(): text for key, text in tags.items()}
    return name.lower() in found and value in (None, found[name.lower()])


def _is(wanted: str | None, value: str) -> bool:
    return wanted is None or wanted.lower() == value.lower()
