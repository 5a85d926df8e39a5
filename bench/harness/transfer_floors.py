"""What transfers must reach, as the project promised it before they were measured."""

from collections.abc import Iterator, Mapping, Sequence

from harness.contenders import (
    Casync,
    FastPath,
    Imgrepl,
    Mc,
    QemuMc,
    Rclone,
    Restic,
    S5cmd,
)
from harness.rows import Row
from harness.tables import Floor

PEAK_MIB_MAX = 300.0
MARK_FACTOR, MARK_SECONDS = 1.3, 1.0
SENT_MB_MAX = {"v3": 36.0, "v3 rebuilt": 38.0}
WRITING_REQUESTS_MAX = 8
_OURS = Imgrepl.title


def floors_of(rows: Sequence[Row], wire: Mapping[str, tuple[int, int]]) -> list[Floor]:
    """Every floor whose contenders took part.

    `wire` has, by row, the bytes and the writing requests of ours that were counted.
    """
    by_name = {row.name: row for row in rows}
    floors = [
        *_of_dense(by_name),
        *_of_first(by_name.get("v1 as raw")),
        *(floor for name in SENT_MB_MAX for floor in _of_third(by_name, name, wire.get(name))),
        *_of_mark(rows),
    ]
    peaks = [c.peak_bytes for row in rows for c in row.costs.get(_OURS, ())]
    if peaks:
        peak_mib = max(peaks) / (1 << 20)
        floors.append(_at_most("peak memory of imgrepl, all rows", peak_mib, PEAK_MIB_MAX, " MiB"))
    return floors


def _of_dense(by_name: Mapping[str, Row]) -> Iterator[Floor]:
    up, down = by_name.get("dense up"), by_name.get("dense down")
    copiers = (Mc.title, S5cmd.title, Rclone.title)
    if up is not None:
        yield from _faster(up, "the fastest copier", _fastest(up, copiers), 1.2)
        ours, theirs = up.median(_OURS), up.median(S5cmd.title)
        if ours is not None and theirs is not None:
            yield _at_most(
                "dense up: CPU of imgrepl / of s5cmd", ours.cpu_seconds / theirs.cpu_seconds, 1.0
            )
    if down is not None:
        yield from _faster(down, "the fastest copier", _fastest(down, copiers), 1.0)


def _of_first(row: Row | None) -> Iterator[Floor]:
    if row is not None:
        yield from _faster(row, "mc", row.ratio(Mc.title, _OURS), 20.0)
        yield from _faster(row, "restic", row.ratio(Restic.title, _OURS), 5.0)
        yield from _faster(row, "qemu-img + mc", row.ratio(QemuMc.title, _OURS), 1.0)


def _of_third(
    by_name: Mapping[str, Row], name: str, wire: tuple[int, int] | None
) -> Iterator[Floor]:
    row, restored = by_name.get(name), by_name.get(f"{name} restored")
    if row is not None:
        yield from _faster(row, "restic", row.ratio(Restic.title, _OURS), 10.0)
        yield from _sends_less(row, Restic.title, 0.5)
        yield from _sends_less(row, Casync.title, 1.0)
    if wire is not None:
        sent_bytes, requests = wire
        yield _at_most(f"{name}: sent, counted", sent_bytes / 1e6, SENT_MB_MAX[name], " MB")
        yield _at_most(f"{name}: requests that write, counted", requests, WRITING_REQUESTS_MAX)
    if restored is not None:
        yield from _faster(restored, "mc + qemu-img", restored.ratio(QemuMc.title, _OURS), 1.0)


def _of_mark(rows: Sequence[Row]) -> Iterator[Floor]:
    for row in rows:
        ours, mark = row.median(_OURS), row.median(FastPath.title)
        if ours is not None and mark is not None:
            allowed = MARK_FACTOR * mark.wall_seconds + MARK_SECONDS
            name = f"{row.name}: imgrepl within 1.3 x the mark + 1 s"
            yield _at_most(name, ours.wall_seconds, allowed, " s")


def _fastest(row: Row, titles: Sequence[str]) -> float | None:
    ratios = [ratio for title in titles if (ratio := row.ratio(title, _OURS)) is not None]
    return min(ratios, default=None)


def _faster(row: Row, peer: str, ratio: float | None, needed: float) -> Iterator[Floor]:
    if ratio is not None:
        name = f"{row.name}: time of {peer} / of imgrepl"
        yield Floor(name=name, value=ratio, limit=needed, at_least=True)


def _sends_less(row: Row, peer: str, share: float) -> Iterator[Floor]:
    ours, theirs = row.sent_bytes.get(_OURS), row.sent_bytes.get(peer)
    if ours is not None and theirs is not None:
        yield _at_most(f"{row.name}: bytes of imgrepl / of {peer}", ours / theirs, share)


def _at_most(name: str, value: float, limit: float, unit: str = "") -> Floor:
    return Floor(name=name, value=value, limit=limit, at_least=False, unit=unit)
