"""The stores of places: which wrappers, in which order, and what they share."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgrepl.assembly.stores import PlaceStores, StoppableClock
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Endpoint, Place, PlaceRole
from imgrepl.settings import Given, load
from imgrepl.store import probe as probing
from imgrepl.store.adaptive import AdaptiveStore
from imgrepl.store.looking_first import LookingFirstStore
from imgrepl.store.metered import MeteredStore
from imgrepl.store.retrying import RetryingStore
from imgrepl.store.s3 import S3Store
from imgrepl.store.throttled import ThrottledStore
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.simulation.world import CAPABLE

Make = Callable[..., PlaceStores]
PLAIN = replace(CAPABLE, conditional_put=False, conditional_swap=False)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Stores of a process with these settings; `noted` is what the index knows of every place."""
    made = []

    def of(noted: Capabilities | None = None, **stated: object) -> PlaceStores:
        flags = [Given(name, value, "test") for name, value in stated.items()]
        environment = {"HOME": str(tmp_path), "T_ACCESS_KEY_ID": "a", "T_SECRET_ACCESS_KEY": "b"}
        settings = load(flags, environment).settings
        made.append(PlaceStores(settings, StoppableClock(threading.Event()), lambda _: noted))
        return made[-1]

    yield of
    for stores in made:
        stores.close()


def place(number: int, url: str, server: str | None = "http://one.example") -> Place:
    endpoint = Endpoint(url=url, endpoint_url=server, credentials_env="T" if server else None)
    return Place(
        id=PlaceId(number), region="r", role=PlaceRole.STANDARD, number=number, endpoint=endpoint
    )


def directory(folder: Path, number: int = 1) -> Place:
    return place(number, (folder / f"r{number}").as_uri(), None)


def wrappers(store: object) -> list[type]:
    found: list[type] = []
    while isinstance(store, StoreWrapper):
        found.append(type(store))
        store = store.inner
    return [*found, type(store)]


def adaptive(store: object) -> AdaptiveStore:
    while not isinstance(store, AdaptiveStore):
        assert isinstance(store, StoreWrapper)
        store = store.inner
    return store


def test_each_request_passes_all_wrappers_in_their_order(make: Make) -> None:
    store = make(throttle_bytes_per_second=1 << 20).of(place(1, "s3://bucket/r1"))
    assert wrappers(store) == [
        RetryingStore,
        LookingFirstStore,
        ThrottledStore,
        AdaptiveStore,
        MeteredStore,
        S3Store,
    ]


def test_places_on_one_server_share_its_windows_and_others_do_not(make: Make) -> None:
    stores = make(requests_in_flight_max=5)
    here = adaptive(stores.of(place(1, "s3://bucket/r1")))._windows
    beside = adaptive(stores.of(place(2, "s3://other/r2")))._windows
    elsewhere = adaptive(stores.of(place(3, "s3://bucket/r3", "http://two.example")))._windows
    assert here is beside
    assert here is not elsewhere
    assert here.puts.limit == 5


def test_a_directory_has_no_window(make: Make, tmp_path: Path) -> None:
    assert AdaptiveStore not in wrappers(make().of(directory(tmp_path)))


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places that were probed; what is found is that they lack conditions."""
    asked: list[str] = []

    def probe(store: StoreWrapper, _prefix: str) -> Capabilities:
        assert LookingFirstStore not in wrappers(store), "it would probe our own wrapper"
        asked.append(store.url)
        return PLAIN

    monkeypatch.setattr(probing, "probe", probe)
    return asked


def test_a_server_that_the_index_knows_is_not_probed(
    make: Make, tmp_path: Path, probes: list[str]
) -> None:
    store = make(noted=CAPABLE).of(directory(tmp_path))
    store.put("k", b"one", if_absent=True)
    assert probes == []


def test_a_server_that_nobody_knows_is_probed_once_before_the_first_put_with_a_condition(
    make: Make, tmp_path: Path, probes: list[str]
) -> None:
    stores = make()
    first, second = directory(tmp_path, 1), directory(tmp_path, 2)
    (tmp_path / "r2").mkdir()
    stores.of(first).put("plain", b"")
    assert probes == []
    stores.of(first).put("k", b"one", if_absent=True)
    stores.of(second).put("k", b"one", if_absent=True)
    assert stores.probe(second) == PLAIN
    assert len(probes) == 1


def test_what_a_probe_finds_now_counts_for_more_than_what_was_noted(
    make: Make, tmp_path: Path, probes: list[str]
) -> None:
    stores = make(noted=CAPABLE)
    where = directory(tmp_path)
    assert stores.probe(where) == PLAIN
    store = stores.of(where)
    looking = store.inner  # type: ignore[attr-defined]
    assert looking._ask() == PLAIN
    assert len(probes) == 1
