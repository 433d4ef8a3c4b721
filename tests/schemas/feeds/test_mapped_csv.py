# SPDX-License-Identifier: Apache-2.0
import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import CsvColumns, Source
from schemas.errors import RefusedError
from schemas.feeds.instants import parse_instant
from schemas.feeds.mapped_csv import FORMAT, PART_ROWS, decode, decode_parts, looks_like
from schemas.feeds.observed import Observed
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.feed_pages import page, refused

PAGE = page("mapped_csv")
HOUR_US = 3_600_000_000


def source(*, timezone: str | None = "Europe/Amsterdam", time_means: Any = "start", **columns: Any) -> Source:
    given_columns: dict[str, Any] = {"time": ["time"], "values": {"count": "in"}, "interval_s": 3600.0} | columns
    return Source(format="csv", timezone=timezone, time_means=time_means, columns=CsvColumns(**given_columns))


def read(text: str, **settings: Any) -> Observed:
    return decode(text.encode(), source(**settings), {})


def values(observed: Observed) -> list[float | None]:
    return [one.value for one in observed.observations]


def utc(*times: str) -> list[int]:
    return [parse_instant(f"{time}Z") for time in times]


def begins(observed: Observed) -> list[int]:
    return [one.begin_us for one in observed.observations]


def test_the_page_s_example() -> None:
    result = PAGE.read(FORMAT)
    batch = result.batch
    assert result.refusals == []
    assert batch.begin.tolist() == [moment for moment in utc("2026-03-01T11:00:00", "2026-03-01T11:03:00")
                                    for _ in range(2)]
    assert batch.metric.tolist() == [Metric.IN, Metric.OUT] * 2
    assert batch.value.tolist()[:3] == [6, 24, 18]
    assert batch.reason.tolist() == [NoValue.NONE] * 3 + [NoValue.NULL]
    assert result.counts["newest_first_files"] == 1


def test_many_sensors_in_one_file_with_directions_in_columns_of_their_own() -> None:
    observed = read(
        "sensor_id,time,total,direction_1,direction_2\n4,2026-03-01 12:00,30,10,20\n7,2026-03-01 12:00,3,1,2\n",
        sensor="sensor_id", values={"direction_1": "in", "direction_2": "out"})
    assert [(one.device, one.metric, one.value) for one in observed.observations] == [
        ("4", Metric.IN, 10), ("4", Metric.OUT, 20), ("7", Metric.IN, 1), ("7", Metric.OUT, 2)]
    assert observed.counts == {"other_columns": 2}


def test_without_header_with_blank_lines_and_minus_one() -> None:
    observed = read(
        "\n6,03/01/26,11:00:00,5\n\n\n6,03/01/26,12:00:00,-1\n7,03/01/26,12:00:00,0\r\n\r\n", timezone="UTC",
        header=["flow", "date", "clock", "count"], time=["date", "clock"], time_format="%m/%d/%y %H:%M:%S",
        sensor="flow", missing=["-1"])
    assert values(observed) == [5, None, 0]
    assert begins(observed) == utc("2026-03-01T11:00:00", "2026-03-01T12:00:00", "2026-03-01T12:00:00")
    assert observed.refusals == []


def test_states_at_an_instant_and_stamps_at_the_end() -> None:
    text = "time,count\n2026-03-01T12:00:00+01:00,5\n"
    [state] = read(text, interval_s=0.0, values={"count": "people"}).observations
    assert (state.metric, state.begin_us, state.end_us) == (
        Metric.PEOPLE, *utc("2026-03-01T11:00:00"), *utc("2026-03-01T11:00:00"))
    [count] = read(text, time_means="end").observations
    assert (count.begin_us, count.end_us) == tuple(utc("2026-03-01T10:00:00", "2026-03-01T11:00:00"))


def test_the_hour_that_never_was() -> None:
    observed = read("time,count\n2026-03-29 01:00,1\n2026-03-29 02:00,\n2026-03-29 02:30,7\n2026-03-29 03:00,2\n")
    assert values(observed) == [1, 2]
    assert begins(observed)[1] - begins(observed)[0] == HOUR_US
    assert [(one.reason, one.where) for one in observed.refusals] == [(Reason.BAD_TIME, "row 3")]
    assert observed.counts == {"empty_rows_without_time": 1}


def test_an_ambiguous_hour_is_marked_and_the_first_of_the_two() -> None:
    observed = read("time,count\n2026-10-25 01:00,1\n2026-10-25 02:00,2\n2026-10-25 03:00,3\n")
    assert begins(observed) == utc("2026-10-24T23:00:00", "2026-10-25T00:00:00", "2026-10-25T02:00:00")
    assert [one.quality for one in observed.observations] == [100, 50, 100]
    assert observed.counts == {"ambiguous_stamps": 1}


@pytest.mark.parametrize("backwards", [False, True])
def test_a_file_with_both_of_the_two_hours(backwards: bool) -> None:
    rows = ["2026-10-25 01:30,1", "2026-10-25 02:00,2", "2026-10-25 02:30,3", "2026-10-25 02:00,4",
            "2026-10-25 02:30,5", "2026-10-25 03:00,6"]
    observed = read("\n".join(["time,count", *(rows[::-1] if backwards else rows)]), interval_s=1800.0)
    by_begin = sorted(observed.observations, key=lambda one: one.begin_us)
    assert [one.value for one in by_begin] == [1, 2, 3, 4, 5, 6]
    assert {after.begin_us - before.begin_us for before, after in pairwise(by_begin)} == {
        HOUR_US // 2}


def test_exact_repeats_are_left_out_and_two_readings_on_one_stamp_stay() -> None:
    observed = read(
        "time,count\n2026-03-01 12:00,5\n2026-03-01 12:00,5\n2026-03-01 13:00,6\n2026-03-01 13:00,7\n")
    assert values(observed) == [5, 6, 7]
    assert observed.counts == {"exact_repeats": 1}


def test_newest_first_files_are_turned_round() -> None:
    observed = read("time,count\n2026-03-01 14:00,9\n2026-03-01 14:00,8\n2026-03-01 13:00,6\n2026-03-01 12:00,5\n")
    assert values(observed) == [5, 6, 8, 9]


def test_values() -> None:
    texts = ["5", " 6 ", "", "n.b.", "-2", "1e2", "0.5", "1,5", "many", "nan", "1e999", "0x5", "٥"]
    body = "time;count\n" + "\n".join(f"2026-03-01 12:{minute:02}; {text}" for minute, text in enumerate(texts))
    observed = read(body, delimiter=";", missing=["n.b."], interval_s=60.0, scale={"count": 2.0})
    assert values(observed) == [10, 12, None, None, None, 200, 1]
    assert [one.no_value for one in observed.observations][2:5] == [NoValue.NULL, NoValue.NULL, NoValue.NEGATIVE]
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_VALUE, 6)]
    assert "many" not in str(observed.refusals)


def test_rows_of_another_width_are_refused() -> None:
    observed = read("time,count\n2026-03-01 12:00,5\n2026-03-01 13:00\n2026-03-01 14:00,6,7\n2026-03-01 15:00,8\n")
    assert values(observed) == [5, 8]
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.MALFORMED, 2)]
    assert refused(read('time,count\n"2026-03-01 12:00,5\n')) == 1


def test_quotes_a_mark_of_order_and_blanks_in_the_header() -> None:
    body = b'\xef\xbb\xbf\r\n "time" , count \r\n"2026-03-01 12:00","5"\r\n'
    assert values(decode(body, source(), {})) == [5]
    assert values(read("time,note,count\n2026-03-01 12:00,\"a, \"\"b\n\",5\n")) == [5]


@pytest.mark.parametrize("body", [
    b"", b"\n\n", b"a,b\n1,2\n", b"time,count,count\n", b"\xff\xfe,\n", b"time,count\n\xff\xfe,5\n", b"{}", b"\x00",
    b"time,count\n2026-03-01 12:00\n2026-03-01 13:00,5,\xff\n",
])
def test_what_is_no_such_file(body: bytes) -> None:
    with pytest.raises(RefusedError) as error:
        decode(body, source(), {})
    assert error.value.reason == Reason.MALFORMED


def test_a_header_alone_holds_nothing() -> None:
    assert read("time,count\n\n").observations == []


@pytest.mark.parametrize("settings", [
    {"delimiter": ""}, {"delimiter": ",,"}, {"delimiter": '"'}, {"values": {}}, {"time": []}, {"interval_s": -1.0},
    {"interval_s": float("nan")}, {"timezone": "Mars/Olympus"},
])
def test_settings_that_cannot_be_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="source"):
        read("time,count\n2026-03-01 12:00,5\n", **settings)
    with pytest.raises(RefusedError, match="no `columns`"):
        decode(b"time,count\n", Source(format="csv"), {})


def test_a_column_about_persons_refuses_the_file() -> None:
    for text, settings in (
        ("time,count,MAC_address\n2026-03-01 12:00,5,a4:5e\n", {}),
        ("2026-03-01 12:00,5,a4:5e\n", {"header": ["time", "count", "Track id"]}),
    ):
        with pytest.raises(RefusedError) as error:
            read(text, **settings)
        assert error.value.reason == Reason.PERSON_LEVEL
        assert "a4" not in str(error.value)


def test_parts_say_together_what_the_whole_says() -> None:
    rows = PART_ROWS + 10
    text = "time,count\n" + "".join(f"2026-03-{1 + at // 86400:02}T{at // 3600 % 24:02}:{at // 60 % 60:02}:"
                                    f"{at % 60:02}Z,{at % 97}\n" for at in range(rows))
    parts = list(decode_parts(text.encode(), source(interval_s=1.0), {}))
    assert [len(part.observations) for part in parts] == [0, PART_ROWS, 10]
    assert sum(parts[1].observations[at].value or 0 for at in range(97)) == 96 * 97 / 2


CELLS = st.one_of(
    st.sampled_from(["2026-03-01 12:00", "2026-03-29 02:30", "2026-10-25 02:15", "5", "-1", "", "1e400", '"', "x\ny"]),
    st.text(max_size=6))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8))
def test_every_value_is_accounted_for(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("time", "s_in", "s_out"), *rows])
    observed = decode(text.getvalue().encode("utf-8", "replace"), source(values={"s_in": "in", "s_out": "out"}), {})
    passed = sum(observed.counts.get(name, 0) for name in ("exact_repeats", "empty_rows_without_time"))
    assert len(observed.observations) + refused(observed) + passed == 2 * len(rows)
    assert {one.device for one in observed.observations} <= {"s"}


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda tail: b"time,count\n" + tail)))
def test_only_refusals_leave(body: bytes) -> None:
    try:
        PAGE.placed(decode(body, source(), {}))
    except RefusedError as error:
        assert error.reason in (Reason.MALFORMED, Reason.PERSON_LEVEL)  # noqa: PT017  most bodies are refused


@given(st.binary(max_size=60))
def test_a_file_without_header(body: bytes) -> None:
    try:
        decode(body, source(header=["time", "count"]), {})
    except RefusedError as error:
        assert error.reason == Reason.MALFORMED  # noqa: PT017  most bodies are refused


def test_what_it_looks_like() -> None:
    assert looks_like(b"time;count\n")
    for body in (b"", b"time\n", b'{"a": 1, "b": 2}', b"<a>,</a>", b"\0,\0"):
        assert not looks_like(body)


@pytest.mark.data
@pytest.mark.parametrize(("name", "zone", "rows", "twice"), [
    ("nyc_taxi.csv", "America/New_York", 10_320, 0), ("realTraffic/TravelTime_451.csv", "America/Chicago", 2_162, 0),
    ("realTraffic/occupancy_6005.csv", "America/Chicago", 2_380, 0),
    ("realTraffic/occupancy_t4013.csv", "America/Chicago", 2_500, 1),
    ("realTraffic/speed_6005.csv", "America/Chicago", 2_500, 0),
    ("realTraffic/speed_t4013.csv", "America/Chicago", 2_495, 1),
])
def test_public_series(data_dir: Path, name: str, zone: str, rows: int, twice: int) -> None:
    body = (data_dir / "nab" / name).read_bytes()
    observed = decode(body, source(timezone=zone, time=["timestamp"], values={"value": "speed"}), {})
    assert (len(observed.observations), observed.refusals) == (rows, [])
    all_us = begins(observed)
    assert all_us == sorted(all_us)
    assert rows - len(set(all_us)) == twice
    total = sum(float(line.rpartition(b",")[2]) for line in body.splitlines()[1:])
    assert sum(value or 0 for value in values(observed)) == pytest.approx(total)
    assert observed.counts.get("ambiguous_stamps", 0) == (2 if "taxi" in name else 0)


@pytest.mark.data
def test_tables_that_are_no_series_are_refused(data_dir: Path) -> None:
    for path in sorted((data_dir / "amsterdam-cmsa").glob("*.csv")):
        with pytest.raises(RefusedError, match="'time'") as error:
            decode(path.read_bytes(), source(delimiter=";"), {})
        assert error.value.reason == Reason.MALFORMED
