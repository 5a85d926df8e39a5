"""Servers that lack what S3 has by now: what is done instead, what is refused, and what is said."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.command_line import DEFINITION, VERSION, Cli, assert_refused
from e2e.conftest import make_image
from e2e.relay import CONDITIONS, Relay, relay_to
from imgrepl.clock import SystemClock
from imgrepl.store.adaptive import AdaptiveStore, WindowOptions, Windows
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from servers import S3Server, server_of

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server() -> S3Server:
    """What the relay makes less of."""
    return server_of("minio")


@pytest.fixture
def unconditional(server: S3Server) -> Iterator[Relay]:
    """A server that takes no notice of If-None-Match and If-Match."""
    with relay_to(server, forgets=CONDITIONS) as relay:
        yield relay


def puts_of_names(relay: Relay) -> list[str]:
    """Every object that was put, but for the probe's, which are there to be replaced."""
    puts = [one.path for one in relay.seen if one.method == "PUT"]
    return [path for path in puts if path.count("/") > 1 and "/probe/" not in path]


def test_where_conditions_are_ignored_every_name_is_looked_at_first_and_none_is_replaced(
    unconditional: Relay, cli: Cli, image: Path, tmp_path: Path
) -> None:
    cli.add_region("eastus", unconditional.as_server)

    (place,) = cli.done("region", "check", "eastus")["places"]
    assert place["state"] == "ok"
    assert not place["capabilities"]["conditionalPut"]
    assert not place["capabilities"]["conditionalSwap"]
    assert "looked at with HEAD before each PUT" in place["message"]
    assert "`collect` is off" in place["message"]

    cli.done(*cli.create(image))
    following = make_image(tmp_path / "next.raw", changed_bytes=4096)
    cli.done("image-version", "create", *DEFINITION, "-e", "1.1.0", "--os-disk", following)
    named = puts_of_names(unconditional)
    assert len(named) > 6
    assert len(named) == len(set(named)), "a name was written twice"
    for path in named:
        methods = [one.method for one in unconditional.seen if one.path == path]
        assert "HEAD" in methods[: methods.index("PUT")], (path, methods)
    back = cli.download("1.0.0", tmp_path / "back.raw")
    assert back.read_bytes() == image.read_bytes()


def test_where_conditions_are_ignored_collect_is_refused_and_another_index_is_kept_out(
    unconditional: Relay, cli: Cli, image: Path, tmp_path: Path
) -> None:
    place = unconditional.as_server.new_endpoint()
    cli.add_region("eastus", unconditional.as_server, place.url)
    cli.done(*cli.create(image))
    cli.done("image-version", "delete", *VERSION, "--yes")
    before = puts_of_names(unconditional)
    assert_refused(cli("collect", "--yes"), 4, "CollectingOff")
    assert_refused(cli("collect", "--dry-run"), 4, "CollectingOff")

    (tmp_path / "other").mkdir()
    other = Cli(tmp_path / "other")
    other.add_region("eastus", unconditional.as_server, place.url)
    assert_refused(other(*other.create(image)), 4, "BucketOfAnotherStore")
    assert puts_of_names(unconditional) == before


def refused_puts(server: S3Server, *, adaptive: bool) -> int:
    """How often a server that takes two puts at once refused the last 60 of 80, by 16 threads."""
    clock = SystemClock()
    with relay_to(server, at_once_max=2, seconds_each=0.1) as relay:
        lesser = relay.as_server
        clients = lesser.clients()
        bare = open_store(
            lesser.new_endpoint(), environment={}, options=StoreOptions(), clients=clients
        )
        held = AdaptiveStore(bare, Windows(WindowOptions(), clock)) if adaptive else bare
        store = RetryingStore(held, RetryPolicy(attempts_max=20), clock)

        def put(number: int) -> None:
            store.put(f"k{number}", bytes(65536))

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, range(20)))
            relay.seen.clear()
            list(pool.map(put, range(20, 80)))
        assert sum(1 for _ in store.list("")) == 80
        clients.close()
        return sum(one.status == 503 for one in relay.seen)


def test_a_server_that_throttles_is_soon_asked_for_no_more_than_it_takes(server: S3Server) -> None:
    pressed = refused_puts(server, adaptive=False)
    assert refused_puts(server, adaptive=True) < pressed / 2


def test_an_image_reaches_a_server_that_takes_one_request_of_a_kind_at_once(
    server: S3Server, cli: Cli, image: Path, tmp_path: Path
) -> None:
    with relay_to(server, at_once_max=1) as relay:
        cli.add_region("eastus", relay.as_server)
        cli.done(*cli.create(image), IMGREPL_UPLOADS_IN_FLIGHT="8")
        back = cli.download("1.0.0", tmp_path / "back.raw")
        assert back.read_bytes() == image.read_bytes()


def test_a_region_that_moved_to_a_server_without_conditions_loses_nothing_to_collect(
    server: S3Server, cli: Cli, image: Path
) -> None:
    place = server.new_endpoint()
    cli.add_region("eastus", server, place.url)
    cli.done(*cli.create(image))
    cli.done("image-version", "delete", *VERSION, "--yes")
    with relay_to(server, forgets=CONDITIONS) as relay:
        cli.done("region", "update", "eastus", "--endpoint", relay.url)
        assert_refused(cli("collect", "--yes"), 4, "CollectingOff")
    cli.done("region", "update", "eastus", "--endpoint", server.endpoint_url)
    report = cli.done("collect", "--yes")
    assert sum(place["deletedPacks"] for place in report["places"]) > 0
    assert cli.done("image-version", "list", *DEFINITION) == []
