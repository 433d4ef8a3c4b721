# SPDX-License-Identifier: Apache-2.0
"""Files in any order come out sorted, whether or not they fit in memory."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.reading import Batch, Metric
from streams.backfill_command import by_source
from streams.backfill_files import Taken, decoder, listed, pieces
from streams.backfill_runs import Runs
from streams.recorded import Piece
from tests.cities import small_city


def piece(known: list[int], first: int = 0) -> Piece:
    values = np.arange(first, first + len(known), dtype=np.float64)
    batch = Batch.of(sensor=1, metric=Metric.PEOPLE, begin=np.array(known, np.int64) - 5, value=values)
    return Piece(batch if known else Batch.empty(), np.array(known, np.int64))


@given(known=st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=8), run=st.integers(1, 30),
       size=st.integers(1, 5))
def test_runs_come_out_in_order_and_whole(known: list[list[int]], run: int, size: int) -> None:
    first, expected = 0, []
    with Runs(run, size) as runs:
        for times in known:
            runs.add(piece(times, first))
            expected += list(zip(times, range(first, first + len(times)), strict=True))
            first += len(times)
        found = list(runs.merged())
        assert runs.readings == len(expected)
        assert runs.latest_us == max((time for time, _ in expected), default=None)
        assert runs.earliest_us == (None if not expected else min(time for time, _ in expected) - 5)
    told = [pair for one in found for pair in zip(one.known_us.tolist(), one.batch.value.tolist(), strict=True)]
    assert [time for time, _ in told] == sorted(time for time, _ in expected)
    assert sorted(told) == sorted(expected)
    assert all(0 < len(one) <= max(size, run) * (len(known) + 1) for one in found)


def test_more_than_a_run_goes_to_disk_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Runs(10, 4) as runs:
        for first in range(0, 35, 5):
            runs.add(piece(list(range(first, first + 5)), first))
        assert runs.on_disk == 3
        assert list(tmp_path.iterdir()) == []
        assert sum(map(len, runs.merged())) == 35


def line(second: int, value: int) -> str:
    clock = f"2026-01-02T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return f'{{"sensor":"cam-plein","metric":"people","from":"{clock}","to":"{clock}","value":{value}}}\n'


def test_lines_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.backfill_files.LINES_BYTES", 2_000)
    rows = 2 * 2_000 // len(line(0, 10)) + 10
    path = tmp_path / "lines.ndjson"
    path.write_text("".join(line(at % 86_400, 10 + at % 90) for at in range(rows)))
    cities, taken = Timeline.of(small_city()), Taken()
    found = list(pieces([path], decoder(cities, "cameras", None), cities, taken))
    assert len(found) >= 3
    assert sum(map(len, found)) == taken.readings == rows
    assert not taken.refused


def test_a_bad_file_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text(line(5, 3))
    (tmp_path / "c.json").write_text(line(5, -3))
    cities, taken = Timeline.of(small_city()), Taken()
    found = list(pieces(listed([tmp_path]), decoder(cities, "cameras", None), cities, taken))
    assert sum(map(len, found)) == taken.readings == 1
    assert taken.refused == {"malformed": 1, "bad-value": 1}
    assert taken.files == 3


def cut_off(path: Path, kept: int) -> None:
    """A gzip file that lost its end, with about `kept` bytes of lines in it."""
    lines = b"".join(line(at % 86_400, 10 + at % 90).encode() for at in range(2 * kept // len(line(0, 10))))
    packed = gzip.compress(lines, compresslevel=0)
    path.write_bytes(packed[: len(packed) // 2])


def test_a_cut_off_file_is_refused_whole_and_the_others_go_on(tmp_path: Path) -> None:
    cut_off(tmp_path / "a.ndjson.gz", 1_000)
    (tmp_path / "b.json").write_text(line(5, 3))
    cities, taken = Timeline.of(small_city()), Taken()
    found = list(pieces(listed([tmp_path]), decoder(cities, "cameras", None), cities, taken))
    assert sum(map(len, found)) == taken.readings == 1
    assert taken.refused == {"malformed": 1}
    assert "cut off" in taken.refused_files[str(tmp_path / "a.ndjson.gz")]


@pytest.mark.parametrize("damage", ["cut off", "a person"])
def test_a_file_that_is_bad_behind_what_was_taken_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Cells are released once: not with the first half of a file."""
    monkeypatch.setattr("streams.backfill_files.LINES_BYTES", 2_000)
    path = tmp_path / "lines.ndjson"
    if damage == "cut off":
        cut_off(path, 200_000)
    else:
        path.write_text("".join(line(at, 3) for at in range(100)) + line(101, 3).replace("}", ', "mac": "x"}'))
    cities = Timeline.of(small_city())
    with pytest.raises(DrukteError, match=r"lines\.ndjson: bad behind its first") as raised:
        list(pieces([path], decoder(cities, "cameras", None), cities, Taken()))
    assert not isinstance(raised.value, RefusedError)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with Runs(10, 4) as runs, pytest.raises(DrukteError, match=r"gone.*TMPDIR"):
        runs.add(piece(list(range(20))))


def test_paths_belong_to_sources(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.touch()
    assert by_source([str(one), f"counters={one}"], "cameras") == {"cameras": [one], "counters": [one]}
    with pytest.raises(DrukteError, match="--source"):
        by_source([str(one)], "")
    with pytest.raises(DrukteError, match="no such file or folder"):
        by_source([f"counters={tmp_path}/none"], "")


def test_a_source_or_format_that_nobody_knows_is_told() -> None:
    cities = Timeline.of(small_city())
    with pytest.raises(DrukteError, match="cameras, counters"):
        decoder(cities, "nobody", None)
    with pytest.raises(DrukteError, match="native, datex2"):
        decoder(cities, "cameras", "morse")
