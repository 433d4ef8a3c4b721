# SPDX-License-Identifier: Apache-2.0
"""Recorded files through the fold: what the report and the windows say."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from schemas.errors import DrukteError
from streams.city_files import assign_ids
from streams.cli import app
from tests.cities import SMALL_TOML


def replayed(tmp_path: Path, *arguments: str | Path) -> dict[str, Any]:
    report = tmp_path / "report.json"
    result = CliRunner().invoke(app, [
        "replay", *map(str, arguments), "--out", str(tmp_path / "windows.parquet"), "--report", str(report)])
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(report.read_bytes())
    return found


def test_the_hague_of_2016(tmp_path: Path, data_dir: Path) -> None:
    folder = data_dir / "ndw-denhaag-2016"
    report = replayed(tmp_path, folder / "traffic_speed.xml", "--feed", "datex2",
                      "--site-table", folder / "measurement_site_table.xml")
    assert (report["counts"]["sites"], report["readings"]) == (390, 2590)
    assert (report["fold"]["late"], report["fold"]["duplicates"], report["refused"]) == (0, 0, {})
    windows = pq.read_table(tmp_path / "windows.parquet")
    with_value = windows.filter(pc.is_valid(windows["vehicles"]))
    assert len(set(windows["place"].to_pylist())) == 390
    assert {time.isoformat() for time in with_value["window_start"].to_pylist()} == {
        "2016-09-09T13:56:00+00:00", "2016-09-09T13:57:00+00:00"}
    assert pc.min(with_value["vehicles"]).as_py() >= 0


def test_a_newer_site_table_is_counted_and_decides_nothing(tmp_path: Path, data_dir: Path) -> None:
    folder = data_dir / "ndw-denhaag-2016"
    table = (folder / "measurement_site_table.xml").read_bytes()
    newer = tmp_path / "table.xml"
    newer.write_bytes(table.replace(b'id="NDW01_MT" version="868"', b'id="NDW01_MT" version="869"', 1))
    report = replayed(tmp_path, folder / "traffic_speed.xml", "--feed", "datex2", "--site-table", newer)
    assert (report["counts"]["table_version_differs"], report["readings"]) == (1, 2590)


@pytest.mark.data
def test_the_whole_country_of_2016(tmp_path: Path, data_dir: Path) -> None:
    folder = data_dir / "ndw-2016"
    report = replayed(tmp_path, folder / "traffic_speed.xml.gz", "--feed", "datex2",
                      "--site-table", folder / "measurement_site_table.xml.gz")
    counts = report["counts"]
    assert (counts["sites"], counts["sites_joined"]) == (16_975, 16_975)
    assert (counts["flows"], counts["reference_flows"]) == (87_663, 353)
    assert (counts["speeds"], counts["usable_speeds"]) == (74_762, 42_951)
    assert counts["zero_flows_with_data_error"] == 10_421
    assert report["readings"] == counts["flows"] + counts["speeds"]
    assert report["readings_with_value"] + sum(report["missing"].values()) == report["readings"]
    assert report["missing"]["data-error"] >= 10_421
    assert report["refused"] == {"unused-type": 1273}
    fold = report["fold"]
    assert fold["readings"] == report["readings"]
    assert (fold["late"], fold["unknown"], fold["bad-span"]) == (0, 0, 0)


def small_files(tmp_path: Path) -> tuple[Path, Path]:
    """The small city and an hour of its camera: it fills, and empties again."""
    city = tmp_path / "klein.toml"
    city.write_text(SMALL_TOML)
    assign_ids(city)
    readings = []
    for step in range(360):
        at = f"2026-03-01T12:{step // 6:02}:{step % 6 * 10:02}+01:00"
        people = (390 if 120 <= step < 200 else 60) + step % 2  # a camera that never moves counts as stuck
        readings.append({"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": people})
    readings.append({**readings[-1], "sensor": "cam-nergens"})
    feed = tmp_path / "readings.ndjson"
    feed.write_bytes(b"\n".join(msgspec.json.encode(reading) for reading in readings))
    return city, feed


def test_native_readings_give_bands_and_an_alert(tmp_path: Path) -> None:
    city, feed = small_files(tmp_path)
    report = replayed(tmp_path, feed, "--feed", "native", "--city", city, "--source", "cameras")
    assert report["refused"] == {"unknown-sensor": 1}
    assert (report["alerts_opened"], report["alerts_resolved"]) == (1, 1)
    windows = pq.read_table(tmp_path / "windows.parquet")
    plein = windows.filter(pc.equal(windows["place"], "plein"))
    assert plein.num_rows == 59  # the last minute has not ended when the last sample was taken
    assert set(plein["people_low"].to_pylist()) == {60, 390}
    assert set(plein["people_high"].to_pylist()) == {64, 394}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    city, feed = small_files(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        replayed(folder, feed, "--feed", "native", "--city", city, "--source", "cameras")
    assert (first / "windows.parquet").read_bytes() == (second / "windows.parquet").read_bytes()
    assert (first / "report.json").read_bytes() == (second / "report.json").read_bytes()


def test_a_file_that_is_refused_whole_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    city, feed = small_files(tmp_path)
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"{")
    report = replayed(tmp_path, bad, feed, "--feed", "native", "--city", city, "--source", "cameras")
    assert list(report["refused_files"]) == [str(bad)]
    assert report["alerts_opened"] == 1


def test_a_replay_that_fails_leaves_no_half_of_a_file_and_what_was_there(tmp_path: Path) -> None:
    city, feed = small_files(tmp_path)
    out, folder = tmp_path / "windows.parquet", tmp_path / "folder"
    folder.mkdir()
    out.write_bytes(b"of before")
    before = sorted(tmp_path.iterdir())
    result = CliRunner().invoke(app, ["replay", str(feed), str(folder), "--feed", "native", "--city", str(city),
                                      "--source", "cameras", "--out", str(out)])
    assert isinstance(result.exception, DrukteError)
    assert f"{folder}: cannot be read" in str(result.exception)
    assert out.read_bytes() == b"of before"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("command", "option"), [
    (["replay", "FEED", "--feed", "native", "--city", "CITY", "--source", "cameras"], "--report"),
    (["backfill", "FEED", "--source", "cameras"], "--json"),
])
def test_a_report_that_cannot_be_written_is_told_before_the_run(
    tmp_path: Path, command: list[str], option: str
) -> None:
    city, feed = small_files(tmp_path)
    named = {"CITY": str(city), "FEED": str(feed)}
    result = CliRunner().invoke(app, [named.get(one, one) for one in command] + [option, str(tmp_path)])
    assert isinstance(result.exception, DrukteError)
    assert option in str(result.exception)


@pytest.mark.parametrize(("arguments", "text"), [
    (["--feed", "datex2"], "--site-table or --city"),
    (["--feed", "native", "--city", "CITY", "--source", "nobody"], "nobody"),
    (["--feed", "native", "--city", "CITY"], "need a --source"),
])
def test_arguments_that_do_not_go_together_are_told(
    tmp_path: Path, arguments: list[str], text: str
) -> None:
    city, feed = small_files(tmp_path)
    given = [str(city) if argument == "CITY" else argument for argument in arguments]
    result = CliRunner().invoke(app, ["replay", str(feed), *given])
    assert result.exit_code != 0
    assert text in str(result.exception)


def test_a_site_table_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "other.xml"
    wrong.write_text("<d/>")
    given = ["replay", str(wrong), "--feed", "datex2", "--site-table", str(wrong)]
    assert f"--site-table {wrong}: " in str(CliRunner().invoke(app, given).exception)
