"""Keys: one to one with what they mean, and nothing leaves its folder."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Invalid
from imgrepl.layout import keys
from imgrepl.model.ids import ContentId, IncarnationId, PackId

DIGEST = "0123456789abcdef" * 4
INCARNATION = IncarnationId("00ff" * 8)

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
numbers = st.integers(0, keys.NUMBER_MAX)
names = st.from_regex(r"\A[A-Za-z0-9_(][A-Za-z0-9._()-]{0,88}[A-Za-z0-9_()-]\Z")
paths = st.lists(names, min_size=3, max_size=5).map(tuple)


@given(digests, numbers)
def test_every_numbered_key_reads_back_as_what_it_was_made_of(digest: str, number: int) -> None:
    pack, content = PackId(digest), ContentId(digest)
    assert keys.parse_pack_key(keys.pack_key(pack, number)) == (pack, number)
    assert keys.parse_moved_key(keys.moved_key(pack, number)) == (pack, number)
    assert keys.parse_manifest_key(keys.manifest_key(content, number)) == (content, number)
    assert keys.parse_seal_key(keys.seal_key(content, number)) == (content, number)


@given(paths, digests, numbers)
def test_a_record_key_reads_back_in_lower_case(
    path: tuple[str, ...], digest: str, revision: int
) -> None:
    incarnation = IncarnationId(digest[:32])
    key = keys.record_key(path, incarnation, revision)
    folded = tuple(name.lower() for name in path)
    assert keys.parse_record_key(key) == (folded, incarnation, revision)
    assert keys.record_key(folded, incarnation, revision) == key


PARSERS: list[Callable[[str], object]] = [
    keys.parse_feature_key,
    keys.parse_pack_key,
    keys.parse_manifest_key,
    keys.parse_moved_key,
    keys.parse_seal_key,
    keys.parse_record_key,
    keys.parse_export_key,
]
near_keys = st.from_regex(
    r"\A(packs/[0-9a-f]{2}|manifests|moved|seals|records/a/b/c)/([0-9a-f]{64}|[0-9a-f]{32})"
    r"\.[0-9]{1,12}(\.json)?\Z"
)


@given(near_keys | st.text(string.printable, max_size=40))
def test_a_key_is_read_by_at_most_one_parser_and_made_again_identically(key: str) -> None:
    read = [parsed for parse in PARSERS if (parsed := parse(key)) is not None]
    assert len(read) <= 1
    match read:
        case [keys.PackKey(pack_id, number)]:
            assert keys.pack_key(pack_id, number) == key
        case [keys.ManifestKey(content_id, number)]:
            assert keys.manifest_key(content_id, number) == key
        case [keys.MovedKey(pack_id, number)]:
            assert keys.moved_key(pack_id, number) == key
        case [keys.SealKey(content_id, number)]:
            assert keys.seal_key(content_id, number) == key
        case [keys.RecordKey(path, incarnation, number)]:
            assert keys.record_key(path, incarnation, number) == key
        case [keys.ExportKey() as export]:
            assert keys.export_key(export) == key


@pytest.mark.parametrize(
    "key",
    [
        f"packs/00/{DIGEST}.0",
        f"packs/01/{DIGEST}.00",
        f"packs/01/{DIGEST}.",
        f"packs/01/{DIGEST}",
        f"packs/01/{DIGEST}.2147483648",
        f"packs/01/{DIGEST.upper()}.0",
        f"packs/01/{DIGEST}.0\n",
        f"packs/{DIGEST}.0",
        f"manifests/{DIGEST}",
        f"manifests/{DIGEST}.-1",
        f"moved/{DIGEST}.1.json",
        f"seals/{DIGEST[:-1]}.1",
        f"records/a/b/{INCARNATION}.1.json",
        f"records/a/b/c/d/1.0.0/x/{INCARNATION}.1.json",
        f"records/a/B/c/{INCARNATION}.1.json",
        f"records/a/../c/{INCARNATION}.1.json",
        f"records/a//c/{INCARNATION}.1.json",
        f"records/a/b/c/{INCARNATION}.1",
        f"exports/{DIGEST}/12.{INCARNATION}.{DIGEST}.",
        f"exports/{DIGEST}/012.{INCARNATION}.{DIGEST}.raw",
        f"exports/{DIGEST}/12.{INCARNATION}.{DIGEST}.raw/x",
        f"exports/{DIGEST}/1234567890123.{INCARNATION}.{DIGEST}.raw",
        "features/",
        "features/a/b",
        "store.json",
        "",
    ],
)
def test_somebody_elses_key_is_nothing(key: str) -> None:
    assert [parse(key) for parse in PARSERS] == [None] * len(PARSERS)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "a\\b", "a b", "a\0", "é", "\u212a", "-a", "a.", "x" * 91),
        f"{INCARNATION}.1.json",
    ],
)
def test_a_name_that_could_leave_its_folder_or_pose_as_a_record_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        keys.record_key(("sub", "group", name), INCARNATION, 1)
    assert raised.value.code == "InvalidName"


def test_the_shapes_are_those_of_the_layout() -> None:
    pack, content = PackId(DIGEST), ContentId(DIGEST)
    version = ("Sub", "rg(1)", "Golden", "debian-12", "1.0.3")
    assert keys.pack_key(pack, 3) == f"packs/01/{DIGEST}.3"
    assert keys.manifest_key(content, 0) == f"manifests/{DIGEST}.0"
    assert keys.moved_key(pack, 1) == f"moved/{DIGEST}.1"
    assert keys.seal_key(content, 7) == f"seals/{DIGEST}.7"
    export = keys.ExportKey(content, 1_767_225_600, str(INCARNATION), DIGEST, "vhd-dynamic")
    assert keys.export_key(export) == (
        f"exports/{DIGEST}/1767225600.{INCARNATION}.{DIGEST}.vhd-dynamic"
    )
    assert keys.parse_export_key(keys.export_key(export)) == export
    assert keys.feature_key("signed-manifests") == "features/signed-manifests"
    assert keys.record_key(version[:3], INCARNATION, 4) == (
        f"records/sub/rg(1)/golden/{INCARNATION}.4.json"
    )
    assert keys.record_key(version, INCARNATION, 4) == (
        f"records/sub/rg(1)/golden/debian-12/1.0.3/{INCARNATION}.4.json"
    )


def test_prefixes_find_all_that_they_say_and_no_neighbour() -> None:
    pack, content = PackId(DIGEST), ContentId(DIGEST)
    assert keys.pack_key(pack, 12).startswith(keys.pack_prefix(pack))
    assert keys.manifest_key(content, 12).startswith(keys.manifest_prefix(content))
    assert keys.moved_key(pack, 12).startswith(keys.moved_prefix(pack))
    assert keys.seal_key(content, 12).startswith(keys.seal_prefix(content))
    gallery = keys.record_prefix(("s", "g", "gal"))
    assert keys.record_key(("s", "g", "gal", "def"), INCARNATION, 1).startswith(gallery)
    assert not keys.record_key(("s", "g", "gallery"), INCARNATION, 1).startswith(gallery)
    assert keys.record_prefix(()) == keys.RECORDS_PREFIX
