"""By what a shallow version knows its source again, as the format's page says it."""

from pathlib import Path

import pytest

from imgrepl.disks.source import open_source
from imgrepl.engine.source_states import check_state, state_of
from imgrepl.errors import Corrupt
from imgrepl.model.source_state import SourceState
from layout.test_format_page import example


def test_the_sample_of_a_file_is_what_the_page_says(tmp_path: Path) -> None:
    wanted = example("source-sample")
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(range(251)) * 1195)
    source = open_source(path)
    state = state_of(source)
    assert (str(state.size_bytes), state.sample) == (wanted["size"], wanted["sample"])
    assert SourceState.from_json(state.as_json()) == state
    source.close()


@pytest.mark.parametrize("size_bytes", [1, 65_535, 65_536, 65_537, 5 << 20])
def test_a_flipped_bit_at_either_end_is_seen_whatever_the_times_say(
    tmp_path: Path, size_bytes: int
) -> None:
    path = tmp_path / "disk.raw"
    content = bytearray(size_bytes)
    path.write_bytes(content)
    source = open_source(path)
    before = state_of(source)
    check_state(source, before)
    for position in (0, size_bytes - 1):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        other = state_of(open_source(path))
        assert other.sample != before.sample
        with pytest.raises(Corrupt) as caught:
            check_state(open_source(path), before)
        assert caught.value.code == "ShallowSourceChanged"
        assert any("sampled content" in line for line in caught.value.details)
    source.close()


def test_how_a_disk_is_read_is_no_difference() -> None:
    one = SourceState(size_bytes=5, etag="a", ignore_checksum=True)
    assert one.differences(SourceState(size_bytes=5, etag="a")) == ()
    assert one.differences(SourceState(size_bytes=6, etag="a")) == ("size was 5, is 6",)
