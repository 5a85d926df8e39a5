"""Key order is made from tree order, and a listing is entered without skipping a key."""

from hypothesis import given
from hypothesis import strategies as st

from imgrepl.store.listing_order import in_key_order, safe_start
from imgrepl.store.protocols import ObjectInfo

segments = st.text("-./0aAz~(", min_size=1, max_size=3).map(lambda text: text.replace("/", "_"))
keys = st.lists(segments, min_size=1, max_size=4).map("/".join)


def _without_directories(found: set[str]) -> set[str]:
    """Leaves out keys that are another key's directory, as the contract does."""
    return {key for key in found if not any(other.startswith(f"{key}/") for other in found)}


key_sets = st.sets(keys, max_size=40).map(_without_directories)


def _tree_order(key: str) -> list[str]:
    return key.split("/")


def _infos(found: list[str]) -> list[ObjectInfo]:
    return [ObjectInfo(key=key, size_bytes=0, etag="") for key in found]


@given(key_sets, st.sampled_from(["", "a", "a/", "a/a", "0/"]))
def test_tree_order_becomes_key_order(found: set[str], prefix: str) -> None:
    wanted = sorted(key for key in found if key.startswith(prefix))
    listed = _infos(sorted(wanted, key=_tree_order))
    assert [info.key for info in in_key_order(listed, prefix)] == wanted


@given(key_sets, st.sampled_from(["", "a", "a/", "a/a", "0/"]))
def test_key_order_stays(found: set[str], prefix: str) -> None:
    wanted = sorted(key for key in found if key.startswith(prefix))
    assert [info.key for info in in_key_order(_infos(wanted), prefix)] == wanted


def test_of_a_place_only_one_directory_is_held_back() -> None:
    listed = iter(_infos(["packs/00/a.0", "packs/00/b.0", "packs/01/a.0", "packs/02/a.0"]))
    assert next(in_key_order(listed, "packs/")).key == "packs/00/a.0"
    assert [info.key for info in listed] == ["packs/02/a.0"]


@given(key_sets, keys, st.sampled_from(["", "a", "a/", "a/a", "0/"]))
def test_no_later_key_is_skipped_in_either_order(
    found: set[str], start_after: str, prefix: str
) -> None:
    if start_after <= prefix:
        return
    start = safe_start(start_after, prefix)
    for key in found:
        if key.startswith(prefix) and key > start_after:
            assert key > start
            # A tree walker skips a directory together with its name.
            assert not start or _is_after_in_tree_order(key, start)


def _is_after_in_tree_order(key: str, start: str) -> bool:
    if start.endswith("/"):
        return key.startswith(start) or _tree_order(key) > _tree_order(start[:-1])
    own, others = _tree_order(start), _tree_order(key)
    return others[: len(own)] > own


def test_start_is_near_for_the_keys_of_packs() -> None:
    assert safe_start("packs/ab/0f3.0", "packs/") == "packs/ab/0f2~"
    assert safe_start("packs/ab/0f0.0", "packs/") == "packs/ab/0f.~"
