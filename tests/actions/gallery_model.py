"""A gallery as a few dictionaries: what should be there after any sequence of requests.

Shares no code with what it is compared with. Each request gives the code of the error that it must
end with, or None, and changes the model only where there is none. Names are folded to lower case,
versions are three numbers, time is days.
"""

from dataclasses import dataclass, field

RETENTION_DAYS = 7

Number = tuple[int, int, int]


@dataclass
class Version:
    """One version: its content by a number, its regions with their counts, in order."""

    content: int
    regions: dict[str, int]
    excluded: bool
    own: dict[str, bool | None] = field(default_factory=dict)
    deleted_on: int | None = None
    counts_before: dict[str, int] = field(default_factory=dict)

    def is_eligible(self, region: str) -> bool:
        """Whether it may be the latest there."""
        own = self.own.get(region)
        excluded = self.excluded if own is None else own
        return self.deleted_on is None and region in self.regions and not excluded


@dataclass
class Definition:
    """One image definition."""

    sku: str
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[Number, Version] = field(default_factory=dict)

    def latest(self, region: str) -> Number | None:
        """The highest number that is eligible in the region."""
        return max((n for n, v in self.versions.items() if v.is_eligible(region)), default=None)


@dataclass
class Gallery:
    """One gallery."""

    location: str
    has_bin: bool
    description: str | None = None
    definitions: dict[str, Definition] = field(default_factory=dict)


class Missing(Exception):
    """Carries the code of what is missing."""


@dataclass
class Model:
    """All galleries, and what day it is."""

    galleries: dict[str, Gallery] = field(default_factory=dict)
    today: int = 0

    def create_gallery(self, name: str, location: str, has_bin: bool) -> str | None:
        known = self.galleries.get(name)
        if known is None:
            self.galleries[name] = Gallery(location, has_bin)
            return None
        same = (known.location, known.has_bin, known.description) == (location, has_bin, None)
        return None if same else "GalleryExists"

    def update_gallery(self, name: str, description: str, has_bin: bool | None) -> str | None:
        gallery = self._gallery(name)
        gallery.description = description or None
        gallery.has_bin = gallery.has_bin if has_bin is None else has_bin
        return None

    def delete_gallery(self, name: str, *, recursive: bool, bypass: bool) -> str | None:
        gallery = self._gallery(name)
        if gallery.definitions and not recursive:
            return "NotEmpty"
        inside = [v for d in gallery.definitions.values() for v in d.versions.values()]
        if self._is_kept(gallery, inside) and not bypass:
            return "SoftDeleteEnabled"
        del self.galleries[name]
        return None

    def create_definition(self, gallery: str, name: str, sku: str) -> str | None:
        siblings = self._gallery(gallery).definitions
        known = siblings.get(name)
        if known is not None:
            return None if (known.sku, known.tags) == (sku, {}) else "DefinitionExists"
        if any(other.sku == sku for other in siblings.values()):
            return "IdentifierConflict"
        siblings[name] = Definition(sku)
        return None

    def tag_definition(self, gallery: str, name: str, tags: dict[str, str]) -> str | None:
        self._definition(gallery, name).tags = dict(tags)
        return None

    def delete_definition(
        self, gallery: str, name: str, *, recursive: bool, bypass: bool
    ) -> str | None:
        inside = list(self._definition(gallery, name).versions.values())
        if inside and not recursive:
            return "NotEmpty"
        if self._is_kept(self._gallery(gallery), inside) and not bypass:
            return "SoftDeleteEnabled"
        del self._gallery(gallery).definitions[name]
        return None

    def create_version(
        self,
        at: tuple[str, str, Number],
        content: int,
        regions: dict[str, int],
        excluded: bool,
    ) -> str | None:
        gallery, definition, number = at
        known = self._definition(gallery, definition).versions.get(number)
        if self._gallery(gallery).location not in regions:
            return "InvalidTargetRegions"
        if known is None:
            made = Version(content, dict(regions), excluded)
            self._definition(gallery, definition).versions[number] = made
            return None
        if known.deleted_on is not None:
            return "VersionSoftDeleted"
        same = (known.content, list(known.regions.items()), known.excluded)
        asked = (content, list(regions.items()), excluded)
        own = any(value is not None for value in known.own.values())
        return None if same == asked and not own else "VersionExists"

    def move_version(self, at: tuple[str, str, Number], regions: dict[str, int]) -> str | None:
        version = self._version(at)
        if version.deleted_on is not None:
            return "VersionSoftDeleted"
        if self._gallery(at[0]).location not in regions:
            return "InvalidTargetRegions"
        version.regions = dict(regions)
        version.own = {name: own for name, own in version.own.items() if name in regions}
        return None

    def exclude_version(self, at: tuple[str, str, Number], region: str | None) -> str | None:
        return self._excluded(at, region, excluded=True)

    def promote_version(self, at: tuple[str, str, Number], region: str | None) -> str | None:
        return self._excluded(at, region, excluded=False)

    def _excluded(
        self, at: tuple[str, str, Number], region: str | None, *, excluded: bool
    ) -> str | None:
        version = self._version(at)
        if version.deleted_on is not None:
            return "VersionSoftDeleted"
        if region is None:
            version.excluded = excluded
        elif region not in version.regions:
            return "InvalidTargetRegions"
        else:
            version.own[region] = excluded
        return None

    def delete_version(self, at: tuple[str, str, Number], *, bypass: bool) -> str | None:
        version = self._version(at)
        if bypass or (version.deleted_on is None and not self._gallery(at[0]).has_bin):
            del self._definition(*at[:2]).versions[at[2]]
        elif version.deleted_on is None:
            version.deleted_on = self.today
            version.counts_before = version.regions
            version.regions = dict.fromkeys(version.regions, 1)
        return None

    def undelete_version(self, at: tuple[str, str, Number]) -> str | None:
        version = self._version(at)
        if version.deleted_on is None:
            return None
        if self._is_over(version):
            return "HardDeletionDue"
        version.regions, version.deleted_on = version.counts_before, None
        return None

    def purge_version(self, at: tuple[str, str, Number]) -> str | None:
        if self._version(at).deleted_on is None:
            return "NotSoftDeleted"
        del self._definition(*at[:2]).versions[at[2]]
        return None

    def purge_expired(self) -> None:
        for gallery in self.galleries.values():
            for definition in gallery.definitions.values():
                for number, version in list(definition.versions.items()):
                    if version.deleted_on is not None and self._is_over(version):
                        del definition.versions[number]

    def _is_over(self, version: Version) -> bool:
        assert version.deleted_on is not None
        return self.today >= version.deleted_on + RETENTION_DAYS

    def _is_kept(self, gallery: Gallery, inside: list[Version]) -> bool:
        """Whether a bin stands in the way of deleting all of these with their parent."""
        binned = any(version.deleted_on is not None for version in inside)
        return bool(inside) and (gallery.has_bin or binned)

    def _gallery(self, name: str) -> Gallery:
        if name not in self.galleries:
            raise Missing("GalleryNotFound")
        return self.galleries[name]

    def _definition(self, gallery: str, name: str) -> Definition:
        if name not in self._gallery(gallery).definitions:
            raise Missing("DefinitionNotFound")
        return self._gallery(gallery).definitions[name]

    def _version(self, at: tuple[str, str, Number]) -> Version:
        definition = self._definition(*at[:2])
        if at[2] not in definition.versions:
            raise Missing("VersionNotFound")
        return definition.versions[at[2]]
