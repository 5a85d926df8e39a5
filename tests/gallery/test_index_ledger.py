"""The ledger keeps what was brought where, for good."""

from dataclasses import replace
from datetime import UTC, datetime

from gallery import samples
from imgrepl.gallery import ledger
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.ledger import LedgerEntry
from imgrepl.model.gallery import GalleryId

ENTRY = LedgerEntry(
    at=datetime(2026, 11, 5, 12, tzinfo=UTC),
    version=samples.version().id,
    from_region="eastus",
    to_region="westeurope",
    is_first=True,
    egress_bytes=10 << 30,
    sent_bytes=1 << 30,
    requests=64,
)


def test_entries_come_back_in_the_order_of_time_and_by_gallery(index: GalleryIndex) -> None:
    later = replace(ENTRY, at=datetime(2026, 12, 1, tzinfo=UTC), is_first=False, egress_bytes=0)
    elsewhere = replace(
        ENTRY, version=GalleryId(gallery="other").definition("d").version(ENTRY.version.version)
    )
    with index.begin() as tx:
        for entry in (later, ENTRY, elsewhere):
            ledger.note(tx, entry)

    shouted = replace(ENTRY.version.gallery, gallery=ENTRY.version.gallery.gallery.upper())
    with index.read() as tx:
        assert ledger.entries(tx, shouted) == [ENTRY, later]
        assert ledger.entries(tx) == [ENTRY, elsewhere, later]
