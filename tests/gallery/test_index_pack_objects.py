"""Objects that were found in a place become rows; rows are paged to be compared with objects."""

from gallery import samples
from gallery.samples import NOON, pack_id
from imgrepl.gallery import pack_objects, packs
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.pack_objects import FoundPack
from imgrepl.gallery.packs import DAMAGED, DELETING, GONE, PRESENT
from imgrepl.model.proof import Proof, ProofLevel

A, B = pack_id("a"), pack_id("b")


def test_found_packs_are_present_and_only_listed(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        found = [FoundPack(A, 0, 1000), FoundPack(B, 3, 500)]
        assert pack_objects.adopt(tx, place.id, found, NOON) == 2
        rows = packs.present_in(tx, place.id, [A, B])
        assert [rows[A].generation, rows[B].generation] == [0, 3]
        assert {row.proof for row in rows.values()} == {Proof(ProofLevel.LISTED, NOON)}
        assert pack_objects.adopt(tx, place.id, found, NOON) == 0


def test_of_several_generations_the_highest_is_the_pack_and_the_others_go(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        found = [FoundPack(A, generation, 1000) for generation in (0, 1, 5)]
        pack_objects.adopt(tx, place.id, found, NOON)
        states = pack_objects.states(tx, place.id, [A])
        assert states == {(A, 0): DELETING, (A, 1): DELETING, (A, 5): PRESENT}
        intent = packs.intend(tx, samples.operation(tx), place.id, A, 1000)
        assert (intent.state, intent.generation) == (PRESENT, 5)


def test_a_pack_of_another_length_than_a_manifest_says_is_damaged(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place, other = samples.place(tx), samples.place(tx, number=1)
        samples.stored(tx, other.id, "a")
        pack_objects.adopt(tx, place.id, [FoundPack(A, 0, 999)], NOON)
        (row,) = packs.live_in(tx, place.id, [A]).values()
        assert (row.state, row.reason) == (DAMAGED, "it has 999 bytes instead of 1000")


def test_what_has_a_row_keeps_it(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a", "b")
        packs.set_state(tx, place.id, [A], [PRESENT], packs.CONDEMNED)
        packs.set_state(tx, place.id, [A], [packs.CONDEMNED], DELETING)
        packs.set_state(tx, place.id, [A], [DELETING], GONE)
        found = [FoundPack(A, 0, 1000), FoundPack(B, 0, 1000), FoundPack(B, 1, 1000)]
        assert pack_objects.adopt(tx, place.id, found, NOON) == 1
        states = pack_objects.states(tx, place.id, [A, B])
        assert states == {(A, 0): GONE, (B, 0): PRESENT, (B, 1): DELETING}


def test_only_the_generation_that_was_deleted_is_gone(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        found = [FoundPack(A, 0, 1000), FoundPack(A, 1, 1000), FoundPack(A, 2, 1000)]
        pack_objects.adopt(tx, place.id, found, NOON)
        first, _ = packs.in_state(tx, place.id, DELETING, 10)
        pack_objects.set_gone(tx, place.id, [first])
        states = pack_objects.states(tx, place.id, [A])
        assert states == {(A, 0): GONE, (A, 1): DELETING, (A, 2): PRESENT}


def test_pages_hold_all_generations_and_meet_end_to_end(index: GalleryIndex) -> None:
    names = [f"p{number}" for number in range(7)]
    with index.begin() as tx:
        place = samples.place(tx)
        found = [FoundPack(pack_id(name), g, 10) for name in names for g in (0, 1)]
        pack_objects.adopt(tx, place.id, found, NOON)
        seen, after = [], ""
        while page := pack_objects.page(tx, place.id, after, 3):
            assert all(len(rows) == 2 for rows in page.values())
            seen += list(page)
            after = max(page)
        assert seen == sorted(map(pack_id, names))
