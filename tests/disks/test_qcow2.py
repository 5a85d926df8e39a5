"""qcow2 images that stand alone."""

import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import read_all, read_range
from disks.qcow2_builder import (
    COMPRESSED,
    COPIED,
    ZERO,
    Qcow2,
    Subclusters,
    compressed_entry,
)
from disks.sources import MemorySource, assert_disk_is
from images.hostile_qcow2 import hostile_qcow2s
from images.seeds import seed_disk
from images.sparse import SparseBytes
from images.verdicts import HostileImage, Verdict
from imgrepl.disks import qcow2_map
from imgrepl.disks.disk import Disk, Severity
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.qcow2 import open_qcow2
from imgrepl.errors import Invalid

KIB = 1024
CLUSTER = 64 * KIB
GIB = 1 << 30


def opened(image: SparseBytes | Qcow2) -> Disk:
    built = image.build() if isinstance(image, Qcow2) else image
    return open_qcow2(MemorySource(built, "disk.qcow2"), OpenOptions())


def refused(image: SparseBytes | Qcow2) -> Invalid:
    with pytest.raises(Invalid) as caught:
        opened(image)
    return caught.value


def of_clusters(*contents: bytes, size: int = CLUSTER) -> bytes:
    return b"".join(content.ljust(size, b"\0") for content in contents)


@pytest.mark.parametrize("image", [*hostile_qcow2s()], ids=lambda image: image.name)
def test_every_hostile_image_gets_its_verdict(image: HostileImage) -> None:
    if image.verdict == Verdict.REJECT:
        fault = refused(image.data)
        assert fault.code[0].isupper()
        assert fault.message.startswith("disk.qcow2")
        assert "qcow2 " in fault.message or fault.hint
        return
    disk = opened(image.data)
    if image.verdict == Verdict.READ_ERROR:
        with pytest.raises(Invalid) as caught:
            read_all(disk)
        assert caught.value.code == "ImageDamaged"
        return
    warned = [Severity.WARNING] if image.verdict == Verdict.WARN else []
    assert [problem.severity for problem in disk.problems] == warned
    whole = bytes(disk.size_bytes) if "l2-is-header" in image.name else seed_disk().to_bytes()
    assert_disk_is(disk, whole)


@pytest.mark.parametrize("version", [2, 3])
def test_stored_clusters_lie_where_their_entries_say(version: int) -> None:
    clusters = {3: b"three" * 5000, 0: b"zero" * 9000, 1: b"one"}
    disk = opened(Qcow2(disk_bytes=5 * CLUSTER, version=version, clusters=clusters))
    assert disk.subformat == f"v{version}"
    assert_disk_is(disk, of_clusters(clusters[0], clusters[1], b"", clusters[3], b""))


@pytest.mark.parametrize("offset", [0, CLUSTER * 9])
def test_the_zero_flag_reads_as_zeros_whatever_is_allocated(offset: int) -> None:
    entry = {1: offset | COPIED | ZERO}
    disk = opened(Qcow2(disk_bytes=2 * CLUSTER, clusters={0: b"x" * CLUSTER}, raw_entries=entry))
    assert_disk_is(disk, b"x" * CLUSTER + bytes(CLUSTER))
    assert list(disk.data_extents(0, 2 * CLUSTER)) == [(0, CLUSTER)]


def test_version_2_knows_no_zero_flag() -> None:
    image = Qcow2(disk_bytes=CLUSTER, version=2, raw_entries={0: ZERO})
    assert "version 2" in refused(image).message


def test_version_2_has_no_features_however_its_bytes_72_look() -> None:
    image = Qcow2(disk_bytes=CLUSTER, version=2, clusters={0: b"x" * CLUSTER}).build()
    assert_disk_is(opened(image.patched((72, bytes(8) + b"\xff" * 40))), b"x" * CLUSTER)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(9, 14),
    zstd=st.booleans(),
    order=st.permutations(range(12)),
    cut=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    spans=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=4),
)
def test_any_span_of_stored_compressed_and_absent_clusters_reads_as_written(
    bits: int,
    zstd: bool,
    order: list[int],
    cut: tuple[int, int],
    spans: list[tuple[float, float]],
) -> None:
    size, (first, second) = 1 << bits, sorted(cut)
    contents = [bytes([n + 1]) * (size // 2) + random.Random(n).randbytes(size // 2) for n in order]
    by_cluster = dict(zip(order, contents, strict=True))
    image = Qcow2(
        disk_bytes=12 * size - 512,
        cluster_bits=bits,
        zstd=zstd,
        clusters={n: by_cluster[n] for n in order[:first]},
        packed={n: by_cluster[n] for n in order[first:second]},
    )
    absent = set(order[second:])
    whole = b"".join(bytes(size) if n in absent else by_cluster[n] for n in range(12))[:-512]
    disk = opened(image)
    assert_disk_is(disk, whole)
    for start, share in spans:
        offset = int(start * len(whole))
        end = offset + int(share * (len(whole) - offset))
        assert read_range(disk, offset, end - offset) == whole[offset:end]


@settings(max_examples=40, deadline=None)
@given(
    maps=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=4),
    spans=st.lists(st.tuples(st.integers(0, 4 * CLUSTER), st.integers(0, CLUSTER)), max_size=4),
)
def test_sub_clusters_read_as_stored_zero_or_absent(
    maps: list[Subclusters], spans: list[tuple[int, int]]
) -> None:
    subclusters = {n: (stored & ~zero, zero) for n, (stored, zero) in enumerate(maps)}
    contents = {n: random.Random(n).randbytes(CLUSTER) for n in subclusters}
    whole = bytearray(4 * CLUSTER)
    for n, (stored, _) in subclusters.items():
        for sub in range(32):
            if stored >> sub & 1:
                start = n * CLUSTER + sub * 2048
                whole[start : start + 2048] = contents[n][sub * 2048 :][:2048]
    subclusters[3] = subclusters.get(3, (0, 0))
    disk = opened(Qcow2(disk_bytes=4 * CLUSTER, clusters=contents, subclusters=subclusters))
    assert_disk_is(disk, bytes(whole))
    for offset, length in spans:
        end = min(offset + length, len(whole))
        assert read_range(disk, offset, end - offset) == whole[offset:end]


def test_a_compressed_cluster_among_sub_clusters_reads_as_one() -> None:
    content = random.Random(1).randbytes(CLUSTER)
    image = Qcow2(
        disk_bytes=3 * CLUSTER,
        packed={0: content, 1: content[::-1]},
        clusters={2: content},
        subclusters={2: (0xFFFFFFFF, 0)},
    )
    disk = opened(image)
    assert_disk_is(disk, content + content[::-1] + content)
    assert (
        read_range(disk, CLUSTER - 3000, 6000)
        == (content + content[::-1])[-CLUSTER - 3000 :][:6000]
    )


@pytest.mark.parametrize(
    ("stored", "zero", "allocated"), [(1, 1, True), (1, 0, False), (2**32 - 1, 1 << 31, True)]
)
def test_sub_clusters_that_contradict_themselves_are_refused(
    stored: int, zero: int, allocated: bool
) -> None:
    clusters = {0: b"x"} if allocated else {}
    image = Qcow2(disk_bytes=CLUSTER, clusters=clusters, subclusters={0: (stored, zero)})
    assert "sub-clusters" in refused(image).message


def test_clusters_side_by_side_are_read_at_once() -> None:
    source = MemorySource(
        Qcow2(disk_bytes=8 * CLUSTER, clusters=dict.fromkeys(range(8), b"x" * CLUSTER)).build()
    )
    disk = open_qcow2(source, OpenOptions())
    read_range(disk, 0, 1)
    before = source.reads
    assert read_range(disk, 0, 8 * CLUSTER) == b"x" * 8 * CLUSTER
    assert source.reads == before + 1


def test_holes_of_the_file_within_a_long_run_are_no_data() -> None:
    clusters = dict.fromkeys(range(32), b"")
    clusters[5] = b"x" * 4096
    disk = opened(Qcow2(disk_bytes=32 * CLUSTER, clusters=clusters))
    assert list(disk.data_extents(0, 32 * CLUSTER)) == [(5 * CLUSTER, 4096)]


def test_the_last_cluster_may_be_cut_short_and_ends_in_zeros() -> None:
    image = Qcow2(disk_bytes=CLUSTER, clusters={0: b"x" * CLUSTER})
    cut = image.build().first(image.data_offset(0) + 1000)
    assert_disk_is(opened(cut), b"x" * 1000 + bytes(CLUSTER - 1000))


def test_a_cluster_that_starts_at_the_end_of_the_file_is_refused() -> None:
    image = Qcow2(disk_bytes=CLUSTER, clusters={0: b"x" * CLUSTER})
    fault = refused(image.build().first(image.data_offset(0)))
    assert fault.code == "ImageTruncated"
    assert "cluster 0" in fault.message


def test_the_last_stream_may_state_more_sectors_than_the_file_has() -> None:
    content = b"abc" * 20000
    image = Qcow2(disk_bytes=CLUSTER, packed={0: content.ljust(CLUSTER, b"\0")})
    at = image.build().length
    stream_at = image.l2_offset(0) + CLUSTER
    entry = compressed_entry(stream_at, at - stream_at + 4096, 16)
    patched = image.build().patched((image.entry_offset(0), struct.pack(">Q", entry)))
    assert_disk_is(opened(patched), content.ljust(CLUSTER, b"\0"))


@pytest.mark.parametrize("zstd", [False, True])
def test_a_stream_that_would_give_a_gigabyte_gives_one_cluster(zstd: bool) -> None:
    if zstd:
        deflate = zstandard.ZstdCompressor().compressobj()
        bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
    else:
        packer = zlib.compressobj(9, wbits=-12)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    bomb = bomb[: 2 * CLUSTER - 512]
    image = with_stream(bomb, zstd=zstd)
    assert_disk_is(opened(image), bytes(CLUSTER))


def with_stream(stream: bytes, *, zstd: bool = False) -> SparseBytes:
    """One cluster, compressed as `stream`."""
    image = Qcow2(disk_bytes=CLUSTER, zstd=zstd, raw_entries={0: 0})
    built = image.build()
    entry = compressed_entry(built.length, len(stream), 16)
    return built.then(stream).patched((image.entry_offset(0), struct.pack(">Q", entry)))


@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize("stream", [b"", b"\0", b"\xff" * 600, b"(\xb5/\xfd" + b"\xff" * 9])
def test_a_stream_of_junk_is_damage_and_never_bytes(stream: bytes, zstd: bool) -> None:
    disk = opened(with_stream(stream + b"\xff", zstd=zstd))
    with pytest.raises(Invalid) as caught:
        read_range(disk, 0, 512)
    assert caught.value.code == "ImageDamaged"


@pytest.mark.parametrize("zstd", [False, True])
def test_a_stream_that_ends_before_its_cluster_is_damage(zstd: bool) -> None:
    packer = zlib.compressobj(wbits=-12)
    short = bytes(CLUSTER - 1)
    deflated = packer.compress(short) + packer.flush()
    stream = zstandard.ZstdCompressor().compress(short) if zstd else deflated
    disk = opened(with_stream(stream, zstd=zstd))
    with pytest.raises(Invalid, match=r"65535 bytes|cannot be read"):
        read_range(disk, 0, 512)


def test_zstd_frames_may_follow_one_another_and_leave_something_behind() -> None:
    halves = [bytes([n]) * (CLUSTER // 2) for n in (1, 2)]
    frames = b"".join(zstandard.ZstdCompressor().compress(half) for half in halves)
    assert_disk_is(opened(with_stream(frames + b"rest", zstd=True)), halves[0] + halves[1])


def test_a_compressed_cluster_past_the_end_is_refused() -> None:
    image = Qcow2(disk_bytes=CLUSTER, raw_entries={0: COMPRESSED | 1 << 40})
    assert refused(image).code == "ImageTruncated"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (COPIED | 3 * CLUSTER + 512, "no multiple of the cluster size"),
        (COPIED | 3 * CLUSTER | 2, "reserved bits"),
        (1 << 56 | 3 * CLUSTER, "reserved bits"),
    ],
)
def test_entries_that_the_format_does_not_know_are_refused(entry: int, fault: str) -> None:
    image = Qcow2(disk_bytes=2 * CLUSTER, clusters={0: b"x"}, raw_entries={1: entry})
    assert fault in refused(image).message


@pytest.mark.parametrize("cluster", [0, 1, 2, 3])
def test_no_two_structures_share_a_cluster(cluster: int) -> None:
    """The header, the L1 table, the L2 table, the other cluster of data."""
    host = cluster * CLUSTER
    entry = {1: host | COPIED} if host else {1: 4 * CLUSTER | COPIED}
    image = Qcow2(disk_bytes=2 * CLUSTER, clusters={0: b"x" * CLUSTER}, raw_entries=entry)
    built = SparseBytes(5 * CLUSTER, image.build().layers)
    if host:
        assert f"in the cluster at {host}," in refused(built).message
    else:
        assert_disk_is(opened(built), b"x" * CLUSTER + bytes(CLUSTER))


def test_two_l1_entries_with_one_table_are_refused_before_it_is_read_twice() -> None:
    image = Qcow2(disk_bytes=GIB, clusters={0: b"x"})
    entry = struct.pack(">Q", image.l2_offset(0) | COPIED)
    assert "L2 table" in refused(image.build().patched((image.l1_offset + 8, entry))).message


def test_entries_behind_the_end_of_the_disk_are_not_looked_at() -> None:
    image = Qcow2(disk_bytes=CLUSTER + 512, clusters={0: b"x" * CLUSTER})
    behind = (image.entry_offset(2), struct.pack(">Q", 1 << 50 | 1 << 57))
    assert_disk_is(opened(image.build().patched(behind)), b"x" * CLUSTER + bytes(512))


def test_a_terabyte_of_nothing_opens_and_maps_without_reading_tables() -> None:
    image = Qcow2(disk_bytes=1 << 40, clusters={(1 << 24) - 1: b"end"})
    source = MemorySource(image.build())
    disk = open_qcow2(source, OpenOptions())
    assert source.reads < 12
    assert list(disk.data_extents(0, 1 << 40)) == [((1 << 40) - CLUSTER, CLUSTER)]
    assert read_range(disk, (1 << 40) - CLUSTER - 1, 4) == b"\0end"


@pytest.mark.parametrize("bits", [9, 16, 21])
def test_windows_join_without_a_seam(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that are smaller and larger than the tables."""
    monkeypatch.setattr(qcow2_map, "WINDOW_CLUSTERS", 128)
    monkeypatch.setattr(qcow2_map, "CACHED_RUNS_MAX", 40)
    size = 1 << bits
    clusters = {n: bytes([n % 250 + 1]) * 512 for n in (0, 1, 63, 64, 127, 128, 129, 300, 700)}
    disk = opened(Qcow2(disk_bytes=800 * size, cluster_bits=bits, clusters=clusters))
    for _ in range(2):
        for n in (*clusters, 2, 255, 256, 799):
            assert read_range(disk, n * size, 512) == clusters.get(n, bytes(512))
    starts = [extent.offset // size for extent in disk.data_extents(0, 800 * size)]
    assert starts[0] == 0
    assert len(starts) <= len(clusters)


def test_windows_are_kept_up_to_the_limit_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qcow2_map, "WINDOW_CLUSTERS", 64)
    monkeypatch.setattr(qcow2_map, "CACHED_RUNS_MAX", 8)
    clusters = dict.fromkeys(range(0, 64 * 20, 64), b"x" * 512)
    source = MemorySource(
        Qcow2(disk_bytes=64 * 20 * 512, cluster_bits=9, clusters=clusters).build()
    )
    disk = open_qcow2(source, OpenOptions())
    for n in clusters:
        read_range(disk, n * 512, 512)
    before = source.reads
    for n in [*clusters][-4:]:
        read_range(disk, n * 512, 512)
    assert source.reads == before + 4
    for n in [*clusters][:4]:
        read_range(disk, n * 512, 512)
    assert source.reads == before + 4 + 8


def test_many_threads_read_the_same_bytes() -> None:
    contents = {n: random.Random(n).randbytes(4096) for n in range(64)}
    image = Qcow2(
        disk_bytes=64 * 4096,
        cluster_bits=12,
        packed={n: contents[n] for n in range(0, 64, 2)},
        clusters={n: contents[n] for n in range(1, 64, 2)},
    )
    disk = opened(image)
    whole = b"".join(contents[n] for n in range(64))
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda n: read_range(disk, n * 1000, 5000), [*range(200)] * 4)
    assert list(parts) == [whole[n * 1000 : n * 1000 + 5000] for n in range(200)] * 4


@pytest.mark.parametrize(
    ("offset", "field", "fault"),
    [
        (24, struct.pack(">Q", 100), "size at 24 is 100"),
        (24, bytes(8), "size at 24 is 0"),
        (40, bytes(8), "offset at 40 is 0"),
        (40, struct.pack(">Q", 512), "offset at 40 is 512"),
        (100, struct.pack(">I", 96), "header length at 100 is 96"),
        (100, struct.pack(">I", 1 << 20), "header length at 100 is"),
        (104, b"\1", "compression type at 104 is 1"),
        (72, struct.pack(">Q", 8), "compression type at 104 is 0"),
        (112, struct.pack(">II", 0xE2792ACA, 1 << 20), "header extension"),
        (8, struct.pack(">QI", 1 << 40, 10), "backing file name"),
    ],
)
def test_header_fields_out_of_range_are_named(offset: int, field: bytes, fault: str) -> None:
    image = Qcow2(disk_bytes=CLUSTER, clusters={0: b"x" * CLUSTER}).build()
    assert fault in refused(image.patched((offset, field))).message


def test_extended_entries_need_clusters_of_16_kib() -> None:
    image = Qcow2(disk_bytes=8192, cluster_bits=13, subclusters={0: (0, 0)})
    assert "at least 14" in refused(image).message


def test_a_file_of_too_many_clusters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qcow2_map, "HOST_CLUSTERS_MAX", 3)
    fault = refused(Qcow2(disk_bytes=CLUSTER, clusters={0: b"x" * CLUSTER}))
    assert fault.code == "ImageLimitExceeded"
