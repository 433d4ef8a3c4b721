# SPDX-License-Identifier: Apache-2.0
"""The generated files: current, stable, whole, and true to the rules about people."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from yaml import safe_load  # type: ignore[import-untyped]  # it ships no types

from dashboards.city_wall import city_wall
from dashboards.generated import DEFAULT_FOLDER, generated_files, stale_files
from dashboards.grafana import DATASOURCE, GRID_WIDTH
from dashboards.look import GREEN, GREY, LEVEL_MAPPINGS, NO_DATA
from dashboards.provisioning import DASHBOARD_FOLDER, HOME
from dashboards.zone import zone
from streams.dashboards_command import STALE, app
from tests.dashboards.grafana_sql import SqlError, expanded, last, queries
from tests.writer.samples import NOON

Json = dict[str, Any]
BOTH = pytest.mark.parametrize("made", [city_wall(), zone()], ids=["city-wall", "zone"])


def walk(value: Any) -> Iterator[Json]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


def test_the_files_in_the_project_are_what_the_code_makes() -> None:
    assert stale_files(DEFAULT_FOLDER) == []


def test_no_other_file_lies_beside_the_generated_ones() -> None:
    found = {path.relative_to(DEFAULT_FOLDER).as_posix() for path in DEFAULT_FOLDER.rglob("*") if path.is_file()}
    assert found == set(generated_files())


def test_build_writes_and_check_tells_what_is_not_current(tmp_path: Path) -> None:
    run = CliRunner().invoke
    missing = run(app, ["build", "--check", "--out", str(tmp_path)])
    assert missing.exit_code == STALE
    assert list(tmp_path.iterdir()) == []
    assert run(app, ["build", "--out", str(tmp_path)]).exit_code == 0
    assert run(app, ["build", "--check", "--out", str(tmp_path)]).exit_code == 0
    changed = tmp_path / "dashboards" / "zone.json"
    changed.write_text(changed.read_text().replace("Zone", "zone", 1))
    told = run(app, ["build", "--check", "--out", str(tmp_path)])
    assert told.exit_code == STALE
    assert "zone.json" in told.output
    assert "city-wall.json" not in told.output
    assert "zone.json" in run(app, ["build", "--out", str(tmp_path)]).output


def test_identities_are_unique() -> None:
    made = [city_wall(), zone()]
    assert len({one["uid"] for one in made}) == len({one["title"] for one in made}) == len(made)


@BOTH
def test_panels_have_ids_titles_and_places_of_their_own(made: Json) -> None:
    panels = made["panels"]
    assert len({one["id"] for one in panels}) == len(panels)
    assert all(one["title"] for one in panels)
    for one in panels:
        assert one["gridPos"]["x"] + one["gridPos"]["w"] <= GRID_WIDTH
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


@BOTH
def test_everything_asks_our_own_source(made: Json) -> None:
    named = [one["datasource"] for one in walk(made) if "datasource" in one]
    assert named
    assert all(one == DATASOURCE for one in named)


@BOTH
def test_thresholds_rise_from_a_base_without_a_value(made: Json) -> None:
    found = [one["steps"] for one in walk(made) if "steps" in one]
    assert found
    for steps in found:
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)
        assert None not in values


@BOTH
def test_variables_and_macros_of_every_query_are_known(made: Json) -> None:
    defined = {one["name"]: "x" for one in made["templating"]["list"]}
    for query in queries(made):
        assert "$" not in expanded(query.sql, last(1, NOON), defined)


@pytest.mark.parametrize("sql", [
    "SELECT $__timeFilter()", "SELECT $__timeBetween(a)", "SELECT '$other'", "SELECT ${zone:glob}", "SELECT $__bad",
])
def test_the_expander_refuses_what_grafana_would_send_as_nonsense(sql: str) -> None:
    with pytest.raises(SqlError):
        expanded(sql, last(1, NOON), {"zone": "x"})


def test_the_expander_writes_what_grafana_writes() -> None:
    shown = last(1, NOON)
    for sql, text in (
        ("$__timeFilter(at)", "at BETWEEN '2026-06-01T11:00:00Z' AND '2026-06-01T12:00:00Z'"),
        ("$__timeFrom()", "'2026-06-01T11:00:00Z'"),
        ("$__timeGroup(at,'1m')", "time_bucket('60.000s',at)"),
        ("$__interval/$__interval_ms", "1m/60000"),
        ("'$zone' ${zone:sqlstring} [[zone]]", "'d''x' 'd''x' d''x"),
    ):
        assert expanded(sql, shown, {"zone": "d'x"}) == text


def test_people_are_drawn_as_the_range_between_two_columns() -> None:
    filled = 0
    for panel in zone()["panels"]:
        if panel["type"] != "timeseries":
            continue
        below = {one["matcher"]["options"]: setting["value"] for one in panel["fieldConfig"]["overrides"]
                 for setting in one["properties"] if setting["id"] == "custom.fillBelowTo"}
        named = re.findall(r'_(low|high|upper)\w* AS "([^"]+)"', panel["targets"][0]["rawSql"])
        assert set(below) == {name for end, name in named if end != "low"}
        assert set(below.values()) == {name for end, name in named if end == "low"}
        filled += len(below)
    assert filled == 9


@BOTH
def test_no_query_makes_one_number_of_a_band(made: Json) -> None:
    for query in queries(made):
        assert "avg(" not in query.sql
        assert not re.search(r"_(low|high|upper)\w*\)? *[+*/-]", query.sql)


def test_no_data_is_grey_and_only_level_zero_is_green() -> None:
    def colour(text: str) -> str:
        hits = [one["options"]["result"]["color"] for one in LEVEL_MAPPINGS
                if re.search(one["options"]["pattern"].strip("/"), text)]
        assert len(hits) == 1
        return str(hits[0])

    assert colour(NO_DATA) == GREY
    assert colour("0 groen") == GREEN
    assert GREEN not in {colour(text) for text in ("1 geel", "2 oranje", "3 rood", "4 zwart")}


def test_links_between_dashboards_lead_somewhere() -> None:
    uids = {one["uid"] for one in (city_wall(), zone())}
    urls = [link["url"] for made in (city_wall(), zone()) for one in walk(made)
            for link in one.get("links", ()) if link.get("url")]
    names = {one["name"] for one in zone()["templating"]["list"]}
    assert urls
    for url in urls:
        found = re.match(r"/d/([\w-]+)\?var-(\w+)=", url)
        assert found is not None
        assert found[1] in uids
        assert found[2] in names


def test_provisioning_leads_to_the_source_and_the_files() -> None:
    files = generated_files()
    [source] = safe_load(files["provisioning/datasources/drukte.yaml"])["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    assert source["secureJsonData"]["password"].startswith("$")
    [provider] = safe_load(files["provisioning/dashboards/drukte.yaml"])["providers"]
    assert provider["options"]["path"] == DASHBOARD_FOLDER
    assert f"dashboards/{HOME}" in files
    assert f"{DASHBOARD_FOLDER}/{HOME}" in files["grafana.ini"].decode()


@pytest.mark.parametrize("name", sorted(generated_files()))
def test_every_file_says_that_it_is_generated(name: str) -> None:
    assert b"drukte dashboards build" in generated_files()[name]


def test_the_json_is_stable() -> None:
    for name, content in generated_files().items():
        if name.endswith(".json"):
            assert content.decode() == json.dumps(
                json.loads(content), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
