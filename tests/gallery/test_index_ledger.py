"""The ledger keeps what was brought where, for good."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from gallery import samples
from imgrepl.gallery import ledger
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.ledger import Brought, History
from imgrepl.model.bill import Month
from imgrepl.model.gallery import GalleryId
from imgrepl.model.tally import Moved

VERSION = samples.version().id
NOVEMBER = datetime(2026, 11, 5, 23, 59, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
FIRST = Brought(
    from_region="eastus",
    to_region="westeurope",
    is_first=True,
    egress_bytes=10 << 30,
    sent_bytes=1 << 30,
    requests=64,
)


def moved(month: int, brought: Brought) -> Moved:
    _from, _to, _first, egress, sent, requests = brought
    return Moved(Month(2026, month), "eastus", "westeurope", egress, sent, requests)


def test_entries_come_back_by_version_and_gallery_and_since_a_moment(index: GalleryIndex) -> None:
    more = FIRST._replace(is_first=False, egress_bytes=0)
    elsewhere = GalleryId(gallery="other").definition("d").version(VERSION.version)
    with index.begin() as tx:
        ledger.note(tx, VERSION, FIRST, NOVEMBER)
        ledger.note(tx, VERSION, more, DECEMBER)
        ledger.note(tx, elsewhere, FIRST, NOVEMBER)

    first = History({"westeurope": date(2026, 11, 5)}, [moved(11, FIRST)])
    both = History(first.filled, [moved(11, FIRST), moved(12, more)])
    shouted = replace(VERSION.gallery, gallery=VERSION.gallery.gallery.upper())
    with index.read() as tx:
        assert ledger.by_version(tx, shouted) == {VERSION: both}
        assert ledger.by_version(tx) == {VERSION: both, elsewhere: first}
        late = ledger.by_version(tx, since=DECEMBER)
        assert late == {VERSION: History({}, [moved(12, more)])}


def test_a_day_is_that_of_utc_and_the_last_fill_counts(index: GalleryIndex) -> None:
    at = datetime(2026, 12, 1, 3, tzinfo=timezone(timedelta(hours=5)))
    with index.begin() as tx:
        ledger.note(tx, VERSION, FIRST, at)
        ledger.note(tx, VERSION, FIRST, NOVEMBER)
        history = ledger.by_version(tx)[VERSION]
    assert history.filled == {"westeurope": date(2026, 11, 30)}
    assert history.moved == [moved(11, FIRST)] * 2
