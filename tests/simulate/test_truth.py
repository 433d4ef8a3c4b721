# SPDX-License-Identifier: Apache-2.0
"""The truth is what error-free sensors report, explains itself, and names how each sensor errs."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.errors import FatalError
from streams.simulate.ground import Ground
from streams.simulate.roads import RoadTraffic
from streams.simulate.run import Play
from streams.simulate.sensor_errors import Mix, SensorError, chosen_errors
from streams.simulate.truth import METADATA_KEY, SCHEMA, TruthFile, TruthKind
from tests.cities import small_city
from tests.simulate.playing import START_US, Kept, an_event, city_in_view, kept_of, with_truth

Key = tuple[str, dt.datetime]


def rows(path: Path, playing: Play, kind: TruthKind, *outlets: Kept) -> dict[Key, dict[str, Any]]:
    """Rows of one kind by place and time."""
    _, table = with_truth(playing, path, *outlets)
    found = [row for row in table.to_pylist() if row["kind"] == kind]
    by_key = {(row["place"], row["time"]): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def passages(kept: Kept) -> dict[tuple[str, str, dt.datetime], float]:
    return {
        (reading.sensor.removeprefix("teller-"), reading.metric, reading.from_): reading.value
        for reading in kept.readings if reading.metric in ("in", "out")
    }


def test_error_free_cameras_report_the_true_people_of_every_step(tmp_path: Path) -> None:
    kept = Kept()
    truth = rows(tmp_path / "truth.parquet", an_event(), TruthKind.ZONE, kept)
    zone_of = {key: sensor.zone or "" for key, sensor in city_in_view().file.sensors.items()}
    reported: dict[Key, float] = {}
    for reading in kept.readings:
        if reading.metric == "people":
            key = (zone_of[reading.sensor], reading.from_)
            reported[key] = reported.get(key, 0.0) + reading.value
    assert len(reported) == 2 * 60
    assert reported == {key: truth[key]["people"] for key in reported}
    assert len(truth) == 2 * 61
    assert {row["span_s"] for row in truth.values()} == {0}


def test_error_free_counters_report_the_true_passages_of_every_minute(tmp_path: Path) -> None:
    kept = Kept()
    truth = rows(tmp_path / "truth.parquet", an_event(), TruthKind.GATE, kept)
    assert len(truth) == 2 * 10
    assert passages(kept) == {
        (gate, metric, time): row[f"passages_{metric}"]
        for (gate, time), row in truth.items() for metric in ("in", "out")
    }


def test_gates_explain_every_change_of_a_zone(tmp_path: Path) -> None:
    playing = an_event()
    people = rows(tmp_path / "truth.parquet", playing, TruthKind.ZONE)
    gates = rows(tmp_path / "truth.parquet", playing, TruthKind.GATE)
    for (place, time), row in gates.items():
        if place == "plein-straat":
            after = people["plein", time + dt.timedelta(minutes=1)]["people"]
            assert after - people["plein", time]["people"] == row["passages_out"] - row["passages_in"]


def test_a_way_in_that_no_gate_counts_is_in_the_truth(tmp_path: Path) -> None:
    kept = {key: sensor for key, sensor in small_city().file.sensors.items() if sensor.zone is not None}
    playing = an_event(city=small_city(gates={}, sensors=kept))
    people = rows(tmp_path / "truth.parquet", playing, TruthKind.ZONE)
    ways = rows(tmp_path / "truth.parquet", playing, TruthKind.WAY)
    assert {place for place, _ in ways} == {"plein", "straat"}
    for (zone, time), row in ways.items():
        after = people[zone, time + dt.timedelta(minutes=1)]["people"]
        assert after - people[zone, time]["people"] == row["passages_in"] - row["passages_out"]


def test_roads_are_in_the_truth_minute_by_minute(tmp_path: Path) -> None:
    truth = rows(tmp_path / "truth.parquet", an_event(roads=True), TruthKind.ROAD)
    traffic = RoadTraffic(1, START_US, (2, 32))
    expected = {
        (site.site, dt.datetime.fromtimestamp(START_US / 1e6, dt.UTC) + dt.timedelta(minutes=minute)):
            (site.vehicles, site.speed_km_h)
        for minute in range(10) for site in traffic.truth(START_US + minute * 60_000_000)
    }
    assert {key: (row["vehicles"], row["speed_km_h"]) for key, row in truth.items()} == expected


def test_the_columns_are_what_they_were_promised_to_be(tmp_path: Path) -> None:
    _, table = with_truth(an_event(roads=True), tmp_path / "truth.parquet")
    assert table.schema.equals(SCHEMA)
    assert SCHEMA.names == [
        "kind", "place", "time", "span_s", "people", "passages_in", "passages_out", "vehicles", "speed_km_h"
    ]


def test_the_file_names_the_error_of_every_sensor(tmp_path: Path) -> None:
    playing = an_event(mix=Mix.TYPICAL, errors={"cam-plein": SensorError(bias=-0.5)})
    _, table = with_truth(playing, tmp_path / "truth.parquet")
    about = msgspec.json.decode(table.schema.metadata[METADATA_KEY])
    written = msgspec.convert(about["errors"], dict[str, SensorError])
    assert written == {
        **chosen_errors(city_in_view(), 1, Mix.TYPICAL), "cam-plein": SensorError(bias=-0.5)
    }
    assert about["start_us"] == START_US
    assert about["city_sha256"] == city_in_view().sha256


def test_a_truth_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="nowhere"):
        TruthFile(tmp_path / "nowhere" / "truth.parquet", Ground.of(small_city()), b"{}")


def test_a_counter_that_is_swapped_reports_the_true_passages_reversed() -> None:
    right = passages(kept_of(an_event()))
    found = passages(kept_of(an_event(errors={"teller-straat-uit": SensorError(swapped=True)})))
    other = {"in": "out", "out": "in"}
    turned = {
        (gate, other[metric] if gate == "straat-uit" else metric, time): value
        for (gate, metric, time), value in right.items()
    }
    assert found == turned != right


def test_a_stuck_camera_repeats_itself_and_the_others_go_on() -> None:
    kept = kept_of(an_event(errors={"cam-plein": SensorError(stuck_from_s=300)}))
    right = kept_of(an_event())

    def values(of: Kept, sensor: str) -> list[float]:
        return [reading.value for reading in of.readings if reading.sensor == sensor]

    stuck, true = values(kept, "cam-plein"), values(right, "cam-plein")
    # The 30th reading is that of second 300: from it on the one before stays.
    assert stuck[:29] == true[:29]
    assert set(stuck[29:]) == {true[28]}
    assert len(set(true[30:])) > 5
    assert values(kept, "cam-straat") == values(right, "cam-straat")


def test_a_clock_that_is_ahead_shows_in_the_stamps_only() -> None:
    kept = kept_of(an_event(errors={"cam-plein": SensorError(clock_skew_s=5)}, length_s=120))
    at = [reading.from_ for reading in kept.readings if reading.sensor == "cam-plein"]
    begin = dt.datetime.fromtimestamp(START_US / 1e6, dt.UTC)
    # Its own clock shows 10, 20, ... s when 5, 15, ... s have truly passed.
    assert at == [begin + dt.timedelta(seconds=10 * number) for number in range(1, 13)]
    minutes = kept_of(an_event(errors={"teller-straat-uit": SensorError(clock_skew_s=5)}, length_s=120))
    spans = {(reading.from_, reading.to) for reading in minutes.readings if reading.sensor == "teller-straat-uit"}
    assert spans == {(begin + dt.timedelta(minutes=1), begin + dt.timedelta(minutes=2))}


def test_a_sensor_that_drops_out_sends_less_and_never_a_part_of_an_interval() -> None:
    errors = {"teller-straat-uit": SensorError(drop_out_share=0.3, drop_out_s=45)}
    found, right = passages(kept_of(an_event(errors=errors))), passages(kept_of(an_event()))
    sent = {key: value for key, value in found.items() if key[0] == "straat-uit"}
    assert 0 < len(sent) < sum(key[0] == "straat-uit" for key in right)
    assert sent == {key: right[key] for key in sent}
