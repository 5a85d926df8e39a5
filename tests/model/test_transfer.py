"""What one run moved, when the meters go on counting for the whole process."""

from imgrepl.model.transfer import RegionTransfer, moved_since

EAST = RegionTransfer(region="eastus", sent_bytes=100, received_bytes=7, puts=3, seconds=2.0)
WEST = RegionTransfer(region="westeurope", sent_bytes=50, server_copied_bytes=10, puts=1)


def test_a_run_counts_only_what_moved_since_it_began() -> None:
    later = RegionTransfer(region="eastus", sent_bytes=160, received_bytes=7, puts=4, seconds=5.5)
    assert moved_since([EAST], [later]) == (
        RegionTransfer(region="eastus", sent_bytes=60, puts=1, seconds=3.5),
    )


def test_a_region_that_was_first_used_meanwhile_counts_whole() -> None:
    assert moved_since([EAST], [EAST, WEST]) == (WEST,)


def test_nothing_moved_is_nothing() -> None:
    assert moved_since([EAST, WEST], [EAST, WEST]) == ()
