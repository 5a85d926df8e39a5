"""How many there are, in words."""

from imgrepl.model.wording import counted


def test_one_is_not_counted_as_many() -> None:
    assert [counted(number, "pack") for number in (0, 1, 2, 1000)] == [
        "0 packs",
        "1 pack",
        "2 packs",
        "1,000 packs",
    ]
