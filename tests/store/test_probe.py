"""A probe finds what a server can do, and leaves nothing behind."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imgrepl.errors import Invalid, NotFound
from imgrepl.model.capabilities import Capabilities
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.memory import MemoryStore
from imgrepl.store.metered import Meter, MeteredStore
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.probe import probe
from imgrepl.store.protocols import Body, ObjectInfo
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.clocks import ManualClock
from servers import server_of

ALL = Capabilities(
    server="memory",
    conditional_put=True,
    conditional_swap=True,
    checksum_checked=True,
    checksum_returned=True,
    server_copy=True,
    copy_keeps_checksum=True,
    copy_rehashes=False,
)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("kind", "server", "copy_rehashes"),
    [
        ("minio", "MinIO", True),
        ("versitygw", "VERSITYGW", True),
        ("seaweedfs", "SeaweedFS", False),
    ],
)
def test_real_servers_can_do_all_that_the_design_asks_for(
    kind: str, server: str, copy_rehashes: bool
) -> None:
    running = server_of(kind)
    clients = running.clients()
    store = open_store(
        running.new_endpoint(), environment={}, options=StoreOptions(), clients=clients
    )
    wrapped = RetryingStore(MeteredStore(store, Meter()), RetryPolicy(), ManualClock())
    found = probe(wrapped, "features/probe")
    assert found.server.startswith(server)
    assert found == replace(ALL, server=found.server, copy_rehashes=copy_rehashes)
    assert list(store.list("")) == []
    clients.close()


def test_memory_and_directory_are_probed_like_servers(tmp_path: Path) -> None:
    assert probe(MemoryStore(), "scratch/") == ALL
    assert probe(DirectoryStore(tmp_path), "scratch") == replace(
        ALL, server="file", checksum_returned=False, copy_keeps_checksum=False
    )
    assert list(DirectoryStore(tmp_path).list("")) == []


class _Lacking(StoreWrapper):
    """A server of the bad kind: each flaw is one that some server had."""

    def __init__(self, *flaws: str) -> None:
        super().__init__(MemoryStore())
        self.flaws = flaws

    def head(self, key: str) -> ObjectInfo:
        info = self.inner.head(key)
        return replace(info, sha256=None) if "states no checksum" in self.flaws else info

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        if "refuses conditions" in self.flaws and (if_absent or if_match):
            raise Invalid("HTTP 501 NotImplemented", code="NotSupported")
        if "checks no digest" in self.flaws:
            sha256 = None
        if "ignores if_absent" in self.flaws:
            if_absent = False
        if "ignores if_match" in self.flaws:
            if_match = None
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        if "refuses copies" in self.flaws:
            raise Invalid("HTTP 501 NotImplemented", code="CopyNotSupported")
        if "copies empty objects" in self.flaws:
            return self.inner.put(key, b"")
        return self.inner.copy_from(source, source_key, key)


@pytest.mark.parametrize(
    ("flaw", "missing"),
    [
        ("refuses conditions", ["conditional_put", "conditional_swap"]),
        ("ignores if_absent", ["conditional_put"]),
        ("ignores if_match", ["conditional_swap"]),
        ("checks no digest", ["checksum_checked"]),
        ("states no checksum", ["checksum_returned", "copy_keeps_checksum"]),
        ("refuses copies", ["server_copy", "copy_keeps_checksum"]),
        ("copies empty objects", ["server_copy", "copy_keeps_checksum"]),
    ],
)
def test_each_flaw_is_found_and_nothing_else_is_blamed(flaw: str, missing: Sequence[str]) -> None:
    store = _Lacking(flaw)
    expected: dict[str, Any] = dict.fromkeys(missing, False)
    assert probe(store, "scratch") == replace(ALL, **expected)
    assert list(store.list("")) == []


def test_collecting_needs_both_conditions() -> None:
    assert ALL.may_collect
    assert not replace(ALL, conditional_put=False).may_collect
    assert not replace(ALL, conditional_swap=False).may_collect


def test_a_place_that_cannot_be_used_at_all_is_no_finding() -> None:
    with pytest.raises(NotFound, match="no-such-place"):
        probe(DirectoryStore(Path("/proc/no-such-place")), "scratch")


def test_findings_survive_being_stored() -> None:
    assert Capabilities.from_json(json.loads(json.dumps(ALL.as_json()))) == ALL


@pytest.fixture(
    params=[
        lambda values: values.pop("server_copy"),
        lambda values: values.update(extra=True),
        lambda values: values.update(server_copy="yes"),
        lambda values: values.update(server=1),
    ]
)
def spoil(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_record_of_another_shape_is_refused(spoil: Callable[[dict[str, object]], None]) -> None:
    values: dict[str, object] = dict(ALL.as_json())
    spoil(values)
    with pytest.raises(Invalid):
        Capabilities.from_json(values)
