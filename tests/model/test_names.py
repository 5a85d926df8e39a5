"""What things may be called: one table per kind of name."""

import pytest

from imgrepl.errors import Invalid
from imgrepl.model import names
from imgrepl.model.gallery import GalleryId, ImageIdentifier, VersionName
from imgrepl.model.names import NameRule
from imgrepl.model.region import normal_region_name

GOOD = [
    (names.GALLERY, ["a", "A1", "my.gallery_1", "a" * 80, "9"]),
    (names.DEFINITION, ["a", "debian-12", "a.b_c-d", "z" * 80]),
    (names.PUBLISHER, ["a", "a-", "_a", "-", "p" * 128]),
    (names.OFFER, ["a", "o" * 64, "22_04-lts"]),
    (names.SKU, ["a", "s" * 64, "1.2.3"]),
    (names.SUBSCRIPTION, ["default", "00000000-0000-0000-0000-000000000000"]),
    (names.RESOURCE_GROUP, ["default", "rg-1_(prod)", "r" * 90]),
]
BAD = [
    (names.GALLERY, ["", "a-b", "_a", "a_", ".a", "a.", "a b", "a" * 81, "gälerie", "a/b", "a\n"]),
    (names.DEFINITION, ["", "-a", "a-", "a_", "_a", "a.", "a" * 81, "a b", "ä", "a\n"]),
    (names.PUBLISHER, ["", "a.", ".", "a b", "p" * 129, "a/b", "ü", "a\n"]),
    (names.OFFER, ["", "a.", "o" * 65, "a b"]),
    (names.SKU, ["", "a.", "s" * 65, "a b"]),
    (names.SUBSCRIPTION, ["", "-a", "a b", "a/b", "s" * 65]),
    (names.RESOURCE_GROUP, ["", "a.", ".a", "-a", "a b", "a/b", "r" * 91]),
]


@pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule, all_ in GOOD for name in all_])
def test_a_name_that_keeps_its_rule_is_given_back(rule: NameRule, name: str) -> None:
    assert rule.check(name) == name


@pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule, all_ in BAD for name in all_])
def test_a_name_that_breaks_its_rule_is_refused_with_rule_value_and_bound(
    rule: NameRule, name: str
) -> None:
    with pytest.raises(Invalid) as caught:
        rule.check(name)
    assert caught.value.code == "InvalidName"
    assert caught.value.target == name
    for part in (repr(name), rule.what, f"1 to {rule.chars_max}", rule.in_words):
        assert part in caught.value.message


def test_every_part_of_an_id_is_checked() -> None:
    names.check_definition(GalleryId(gallery="g").definition("d"))
    for broken in (
        GalleryId(gallery="g-").definition("d"),
        GalleryId(gallery="g", group="g.").definition("d"),
        GalleryId(gallery="g", subscription="/").definition("d"),
        GalleryId(gallery="g").definition("d-"),
    ):
        with pytest.raises(Invalid):
            names.check_definition(broken)
    for identifier in (("p.", "o", "s"), ("p", "o.", "s"), ("p", "o", "s.")):
        with pytest.raises(Invalid):
            names.check_identifier(ImageIdentifier(*identifier))


@pytest.mark.parametrize("text", ["0.0.0", "1.0.12", "2147483647.2147483647.2147483647"])
def test_a_version_number_reads_back_as_it_was_written(text: str) -> None:
    assert str(VersionName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.00.0", "1.0.-1", "2147483648.0.0", "1.0.0-rc1",
     "v1.0.0", "1.0.0 ", "1.0.0\n", "٣.0.0", "7.9.2201041542", "1..0"],
)  # fmt: skip
def test_what_is_no_version_number_is_refused_with_the_bounds(text: str) -> None:
    with pytest.raises(Invalid, match="2147483647") as caught:
        VersionName.parse(text)
    assert caught.value.code == "InvalidVersion"


def test_version_numbers_compare_as_integers() -> None:
    assert VersionName.parse("1.10.0") > VersionName.parse("1.9.0")
    assert VersionName.parse("1.0.12") > VersionName.parse("1.0.9")


@pytest.mark.parametrize(
    ("text", "name"),
    [("East US 2", "eastus2"), ("eastus2", "eastus2"), (" West Europe ", "westeurope"),
     ("rack-1", "rack-1")],
)  # fmt: skip
def test_region_names_have_one_normal_form(text: str, name: str) -> None:
    assert normal_region_name(text) == name


@pytest.mark.parametrize("text", ["", "  ", "-a", "a_b", "a/b", "é", "a" * 64])
def test_what_is_no_region_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        normal_region_name(text)
    assert caught.value.code == "InvalidRegionName"
