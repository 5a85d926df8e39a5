import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import seed_vhdx
from imgrepl.disks.crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"a", 0xC1D04330),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_published_examples_give_their_checksums(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@given(st.binary(max_size=300))
def test_folding_gives_what_going_byte_by_byte_gives(data: bytes) -> None:
    assert crc32c(data) == seed_vhdx.crc32c(data)


@pytest.mark.parametrize("size", [4092, 4096, 4100, 65536])
def test_kilobytes_give_what_going_byte_by_byte_gives(size: int) -> None:
    data = bytes(number * number % 251 for number in range(size))
    assert crc32c(memoryview(data)) == seed_vhdx.crc32c(data)
