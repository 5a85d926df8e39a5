"""Progress: bars on a terminal, lines elsewhere when asked for, nothing at all by default."""

import io
import re
import threading

import pytest

from imgrepl.cli.progress import shown_events
from imgrepl.model.events import Event, Notice, Progressed, StageEnded, StageStarted

STORY: list[Event] = [
    StageStarted(stage="replicate", subject="eastus", bytes_total=1000 << 20),
    Progressed(stage="replicate", subject="eastus", bytes_done=40 << 20),
    Progressed(stage="replicate", subject="eastus", bytes_done=250 << 20),
    Progressed(stage="replicate", subject="eastus", bytes_done=260 << 20),
    Notice(level="warning", text="slow", subject="westeurope"),
    Notice(level="info", text="pack mended"),
    StageEnded(stage="replicate", subject="eastus", outcome="Failed", detail="no answer"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, *, bars: bool = True, **flags: bool) -> str:
    chosen = {"verbose": False, "only_errors": False} | flags
    with shown_events(bars=bars, stream=stream, **chosen) as sink:
        for event in STORY:
            sink(event)
    return stream.getvalue()


def test_off_a_terminal_only_warnings_are_told() -> None:
    assert told(io.StringIO()) == "warning: westeurope: slow\n"


def test_only_show_errors_silences_warnings_and_steps() -> None:
    assert told(io.StringIO(), only_errors=True, verbose=True) == ""
    assert told(Terminal(), bars=False, only_errors=True) == ""


def test_verbose_tells_a_line_at_every_tenth() -> None:
    assert told(io.StringIO(), verbose=True).splitlines() == [
        "replicate eastus: started, 1,000.0 MiB",
        "replicate eastus: 25%, 250.0 MiB of 1,000.0 MiB",
        "warning: westeurope: slow",
        "info: pack mended",
        "replicate eastus: Failed: no answer",
    ]


def test_a_stage_of_unknown_size_has_no_percentages() -> None:
    stream = io.StringIO()
    with shown_events(bars=False, verbose=True, only_errors=False, stream=stream) as sink:
        sink(StageStarted(stage="collect", subject="eastus"))
        sink(Progressed(stage="collect", subject="eastus", bytes_done=5))
        sink(Progressed(stage="never started", subject="eastus", bytes_done=5))

    assert stream.getvalue() == "collect eastus: started\n"


def test_a_terminal_gets_a_bar_for_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    screen = told(Terminal())

    assert "replicate eastus" in screen
    assert "MiB" in screen
    assert "warning: westeurope: slow" in screen
    assert "pack mended" not in screen


@pytest.mark.parametrize("columns", [80, 100])
def test_a_bar_takes_one_line_and_what_is_left_of_the_width(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with shown_events(bars=True, verbose=False, only_errors=False, stream=stream) as sink:
        for region in ("southeastasia", "westeurope"):
            sink(StageStarted(stage="replicate", subject=region, bytes_total=1000 << 20))
            sink(Progressed(stage="replicate", subject=region, bytes_done=900 << 20))
            sink(StageEnded(stage="replicate", subject=region, outcome="Completed"))
    drawn = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in stream.getvalue().split("\n")]
    last = [line.rpartition("\r")[2] for line in drawn if "southeastasia" in line][-1]
    assert last.startswith("replicate southeastasia: Completed")
    assert "900.0 MiB of 1,000.0 MiB" in last
    assert len(last.rstrip()) <= columns


def test_events_may_come_from_many_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    failures: list[BaseException] = []
    with shown_events(bars=True, verbose=True, only_errors=False, stream=Terminal()) as sink:

        def tell(subject: str) -> None:
            try:
                sink(StageStarted(stage="replicate", subject=subject, bytes_total=100))
                for done in range(100):
                    sink(Progressed(stage="replicate", subject=subject, bytes_done=done))
                sink(StageEnded(stage="replicate", subject=subject, outcome="Completed"))
            except BaseException as error:  # noqa: BLE001 - told to the main thread
                failures.append(error)

        threads = [threading.Thread(target=tell, args=(f"region{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []
