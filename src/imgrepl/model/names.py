"""What things may be called. A version's number is checked by `VersionName.parse`.

Every function gives the name back, or raises `Invalid` (`InvalidName`) with the rule, the value
and the allowed length.
"""

import re
from typing import NamedTuple

from imgrepl.errors import Invalid
from imgrepl.model.gallery import DefinitionId, GalleryId, ImageIdentifier


class NameRule(NamedTuple):
    """A kind of name: its pattern, its longest length, both in words, and a good one."""

    what: str
    pattern: re.Pattern[str]
    chars_max: int
    in_words: str
    example: str

    def check(self, name: str) -> str:
        """The name, if it keeps the rule."""
        if self.pattern.fullmatch(name) and len(name) <= self.chars_max:
            return name
        raise Invalid(
            f"{name!r} cannot name {self.what}: 1 to {self.chars_max} characters,"
            f" {self.in_words} (it has {len(name)})",
            code="InvalidName",
            target=name,
            hint=f"for example {self.example}",
        )


_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]")
_IDENTIFIER_WORDS = "ASCII letters, digits, '.', '_' and '-', the last no '.'"

GALLERY = NameRule(
    "a gallery",
    re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.]*[A-Za-z0-9])?"),
    80,
    "ASCII letters, digits, '.' and '_' but no '-', the first and last a letter or digit",
    "golden_images",
)
DEFINITION = NameRule(
    "an image definition",
    re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"),
    80,
    "ASCII letters, digits, '.', '_' and '-', the first and last a letter or digit",
    "debian-12",
)
SUBSCRIPTION = NameRule(
    "a subscription",
    re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"),
    64,
    "ASCII letters, digits, '_' and '-', the first and last a letter or digit",
    "team-a",
)
RESOURCE_GROUP = NameRule(
    "a resource group",
    re.compile(r"[A-Za-z0-9_(][A-Za-z0-9._()-]*(?<!\.)"),
    90,
    "ASCII letters, digits, '.', '_', '-' and parentheses, the first no '.', '-' or ')', the"
    " last no '.'",
    "images-rg",
)
PUBLISHER = NameRule("a publisher", _IDENTIFIER, 128, _IDENTIFIER_WORDS, "Contoso")
OFFER = NameRule("an offer", _IDENTIFIER, 64, _IDENTIFIER_WORDS, "Debian")
SKU = NameRule("a SKU", _IDENTIFIER, 64, _IDENTIFIER_WORDS, "12-gen2")


def check_gallery(gallery: GalleryId) -> GalleryId:
    """A gallery's name and those of its subscription and resource group."""
    SUBSCRIPTION.check(gallery.subscription)
    RESOURCE_GROUP.check(gallery.group)
    GALLERY.check(gallery.gallery)
    return gallery


def check_definition(definition: DefinitionId) -> DefinitionId:
    """A definition's name and its gallery's."""
    check_gallery(definition.gallery)
    DEFINITION.check(definition.definition)
    return definition


def check_identifier(identifier: ImageIdentifier) -> ImageIdentifier:
    """Publisher, offer and SKU."""
    PUBLISHER.check(identifier.publisher)
    OFFER.check(identifier.offer)
    SKU.check(identifier.sku)
    return identifier
