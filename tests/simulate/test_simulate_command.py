# SPDX-License-Identifier: Apache-2.0
"""`drukte simulate`: options, files, summary."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from schemas.errors import DrukteError
from schemas.feeds.datex2 import read_site_table
from schemas.ids import IdKind
from schemas.ndw_roads import road_table
from streams.city_files import load_city
from streams.cli import app
from streams.simulate.road_sites import SITES
from tests.simulate.door import Door, door

__all__ = ["door"]

DEN_HAAG = Path(__file__).resolve().parents[2] / "infra" / "cities" / "den-haag" / "den-haag.toml"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    if isinstance(result.exception, DrukteError):
        raise result.exception
    return result


def summary(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_any_city_plays_into_files(tmp_path: Path) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth.parquet"
    found = summary(
        "--city", DEN_HAAG, "--for", "180", "--seed", "5", "--roads", "--out", out, "--truth", truth,
        "--start", "2026-09-05T12:00:00+02:00", "--errors", "none", "--visitors", "5000", "--surge-at", "60",
    )
    assert found["simulated_s"] == 180
    assert found["start"] == "2026-09-05T10:00:00Z"
    assert found["publications"] == 2
    for source, readings in found["readings_by_source"].items():
        assert len((out / f"{source}.ndjson").read_text().splitlines()) == readings
    assert found["truth_rows"] == pq.read_metadata(truth).num_rows
    table = road_table(read_site_table(io.BytesIO((out / "measurement_site_table.xml").read_bytes())), None)
    assert set(table.column("zone")) == {site.key for site in SITES}


def test_an_invented_city_stands_beside_its_readings(tmp_path: Path) -> None:
    found = summary("--zones", "12", "--for", "60", "--out", tmp_path / "out")
    city = load_city(tmp_path / "out" / "synthetic.toml")
    assert len(city.file.zones) == found["zones"] == 12
    assert set(city.ids[IdKind.SENSOR]) == set(city.file.sensors)


def test_an_invented_city_can_be_written_first_and_played_later(tmp_path: Path) -> None:
    city, table = tmp_path / "load.toml", tmp_path / "sites.xml"
    written = summary("--zones", "3", "--write-city", city, "--site-table", table)
    assert written["written"] == [str(city), str(table)]
    assert summary("--city", city, "--for", "60", "--truth", tmp_path / "t.parquet")["zones"] == 3
    city.write_text("something else")
    with pytest.raises(DrukteError, match="holds something else"):
        run("--zones", "3", "--write-city", city)


def test_readings_go_to_a_gateway_and_its_answers_are_counted(door: Door) -> None:
    start = "2026-09-05T12:00:00+02:00"
    found = summary("--zones", "4", "--for", "60", "--start", start, "--speed", "600", "--to", door.address)
    assert found["posts"] == len(door.posts) == 7
    assert found["taken"] == 7 * 3
    assert (found["repeats"], found["refused"]) == (0, {})
    sent = [json.loads(body) for _, body in door.posts]
    assert sum(len(readings) for readings in sent) == found["readings"]
    assert {path for path, _ in door.posts} == {"/in/cameras", "/in/counters"}


def test_the_event_file_is_read_and_options_go_before_it(tmp_path: Path) -> None:
    event = tmp_path / "event.toml"
    event.write_text('[event]\nseed = 8\nlength_s = 60\n[errors]\nmix = "city"\n')
    found = summary("--zones", "2", "--event", event, "--truth", tmp_path / "a.parquet")
    assert (found["seed"], found["simulated_s"], found["errors"]) == (8, 60, "city")
    found = summary("--zones", "2", "--event", event, "--seed", "9", "--errors", "none",
                    "--truth", tmp_path / "b.parquet")
    assert (found["seed"], found["simulated_s"], found["errors"]) == (9, 60, "none")


def test_the_summary_is_text_for_people(tmp_path: Path) -> None:
    result = run("--zones", "2", "--for", "60", "--truth", tmp_path / "t.parquet")
    assert "simulated_s: 60\n" in result.stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (["--zones", "2"], "give --to, --out or --truth"),
    (["--out", "x"], "exactly one of --city and --zones"),
    (["--zones", "2", "--city", str(DEN_HAAG), "--out", "x"], "exactly one of --city and --zones"),
    (["--city", str(DEN_HAAG), "--write-city", "x.toml"], "--write-city"),
    (["--zones", "2", "--truth", "x", "--speed", "fast"], "--speed 'fast'"),
    (["--zones", "2", "--truth", "x", "--speed", "-1"], "--speed '-1'"),
    (["--zones", "2", "--truth", "x", "--speed", "nan"], "--speed 'nan'"),
    (["--zones", "2", "--truth", "x", "--start", "noon"], "--start 'noon'"),
    (["--zones", "2", "--truth", "x", "--start", "2026-09-05T12:00:00"], "no offset"),
    (["--zones", "2", "--truth", "x", "--start", "2026-09-05T12:00:01Z"], "whole 10 s"),
    (["--zones", "2", "--truth", "x", "--errors", "many"], "errors|mix"),
    (["--zones", "2", "--truth", "x", "--for", "999999999"], "length_s"),
])
def test_options_that_do_not_go_together_are_refused_with_what_to_do(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DrukteError, match=said):
        run(*arguments)
