"""The benchmarks can be run by anyone, and measure what they say."""

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
PROGRAMS = ("start", "index", "chunking", "transfer", "memory", "run")
PAGE = BENCH.parent / "docs" / "benchmarks.md"


@pytest.fixture(autouse=True)
def _harness_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_explains_itself_and_stands_on_the_page(name: str) -> None:
    said = subprocess.run(
        [sys.executable, str(BENCH / f"{name}.py"), "--help"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "--images" in said.stdout or "--json" in said.stdout
    assert f"bench/{name}.py" in PAGE.read_text()


def test_the_page_names_every_program_of_the_folder() -> None:
    scripts = {path.stem for path in BENCH.glob("*.py")} - {"fast_path"}
    assert scripts == set(PROGRAMS)


def test_a_process_costs_what_it_takes_whatever_its_starter_holds() -> None:
    from harness.measuring import Command, measure

    held = bytearray(200 << 20)
    small = measure(Command(arguments=(sys.executable, "-c", "pass")))
    busy = "import time; x = bytearray(b'x') * (60 << 20)\nwhile time.process_time() < 0.3: pass"
    large = measure(Command(arguments=(sys.executable, "-c", busy)))
    assert len(held) == 200 << 20
    assert small.peak_bytes < 40 << 20
    assert 60 << 20 <= large.peak_bytes < 100 << 20
    assert large.wall_seconds >= large.cpu_seconds * 0.9 >= 0.27


def test_a_program_that_fails_is_no_measurement() -> None:
    from harness.measuring import Command, CommandFailed, measure

    with pytest.raises(CommandFailed, match=r"(?s)ended with 3.*no luck"):
        measure(Command(arguments=("/bin/sh", "-c", "echo no luck >&2; exit 3")))


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT  # noqa: N815 - http.server's name

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_what_crosses_the_wire_is_counted_request_by_request(sink: str) -> None:
    from harness.wire import counting

    with counting(sink) as (endpoint_url, counted):
        client = http.client.HTTPConnection(endpoint_url.removeprefix("http://"))
        for method, length in (("PUT", 1_000_000), ("GET", 0), ("PUT", 17)):
            client.request(
                method, "/x", body=bytes(length), headers={"Content-Length": str(length)}
            )
            assert client.getresponse().read() == b""
        client.close()
    assert counted.requests == {"PUT": 2, "GET": 1}
    assert (counted.writing_requests, counted.body_bytes) == (2, 1_000_017)


def test_an_endless_disk_reads_alike_at_any_offset_and_never_repeats_a_block() -> None:
    from harness.endless import Generator

    disk = Generator()
    whole = bytes(disk.read(1 << 40, 3 << 20))
    for start, length in ((0, 1), (4095, 2), (123_456, 1_234_567), (3 << 20, 0)):
        assert bytes(disk.read((1 << 40) + start, length)) == whole[start : start + length]
    blocks = {whole[at : at + 4096] for at in range(0, len(whole), 4096)}
    assert len(blocks) == len(whole) // 4096
    assert bytes(4096) not in blocks


def test_a_floor_holds_at_its_limit_and_misses_beyond() -> None:
    from harness.tables import Floor

    at_most = [
        Floor(name="n", value=value, limit=300, at_least=False).holds for value in (300, 301)
    ]
    at_least = [Floor(name="n", value=value, limit=1.2, at_least=True).holds for value in (1.2, 1)]
    assert (at_most, at_least) == ([True, False], [True, False])


def test_a_slow_peer_runs_twice_and_all_begin_a_round_in_turn() -> None:
    from harness.measuring import Cost
    from harness.rows import Row, in_turns

    row, order = Row("work"), list[str]()

    def run(name: str, seconds: float) -> None:
        order.append(name)
        row.add(name, Cost(wall_seconds=seconds, cpu_seconds=1, peak_bytes=1))

    works = {"slow": lambda: run("slow", 30), "fast": lambda: run("fast", 1)}
    in_turns(4, works, [row])
    assert order == ["slow", "fast", "fast", "slow", "fast", "fast"]
    assert row.ratio("slow", "fast") == 30
