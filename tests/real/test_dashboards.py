# SPDX-License-Identifier: Apache-2.0
"""Every query of every dashboard on a real database, as the role that Grafana has, on a known afternoon."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from dashboards import ahead, city_wall, zone
from dashboards.generated import generated_files
from dashboards.look import BLUE, GREEN, GREY, NO_DATA, ORANGE, RED
from schemas.alert import State, Transition
from schemas.health import IntegrityKind, SensorState
from streams import storage
from streams.serve.wording import SENSOR_STATES
from streams.writer.database import write_buffer
from streams.writer.rows import RowBuffer
from tests.dashboards.drawing import cell_colour, page
from tests.dashboards.grafana_sql import Query, Range, expanded, last, queries
from tests.dashboards.scene import BUSY_ROAD, write_scene
from tests.real.timescale_service import Databases
from tests.writer.samples import NOON, alert_message, transition

pytestmark = pytest.mark.real

QUERIES = [
    query for name, content in generated_files().items() if name.endswith(".json")
    for query in queries(json.loads(content))
]
SHOWN = last(3, NOON)
RANGES = {
    "quarter hour": last(0.25, NOON), "three hours": SHOWN, "day": last(24, NOON), "month": last(720, NOON),
    "autumn change": last(26, datetime(2026, 10, 25, 12, tzinfo=UTC)), "spring change": last(
        26, datetime(2027, 3, 28, 12, tzinfo=UTC)),
}
CHOSEN = {"zone": "malieveld-noord", "gate": "malieveld-noord-toegang"}
ROW_LIMIT = 1_000_000
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
Row = dict[str, Any]


class Reader:
    """A session with the rights of Grafana's account, and nothing else."""

    def __init__(self, session: storage.Connection) -> None:
        self._session = session

    def ask(self, sql: str, shown: Range = SHOWN, variables: Mapping[str, str] = CHOSEN) -> list[Row]:
        """Rows by column name."""
        found = self._session.execute(expanded(sql, shown, variables).encode())
        assert found.description is not None
        names = [column.name for column in found.description]
        assert len(set(names)) == len(names)
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def columns(self, sql: str, shown: Range) -> list[str]:
        """Names of the columns, also of no rows."""
        found = self._session.execute(expanded(sql, shown, CHOSEN).encode())
        return [column.name for column in found.description or ()]

    def rows_read(self, sql: str, shown: Range) -> int:
        """How many rows of the minute tables the plan really touched, those thrown away included."""
        found = self._session.execute(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {expanded(sql, shown, CHOSEN)}".encode()
        ).fetchone()
        assert found is not None
        return _rows_of_scans(found[0][0]["Plan"])


def _rows_of_scans(node: Row) -> int:
    read = 0
    if "Relation Name" in node and node["Relation Name"] not in {"place", "city_version"}:
        thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        read = (node["Actual Rows"] + thrown) * node["Actual Loops"]
    return round(read) + sum(_rows_of_scans(one) for one in node.get("Plans", ()))


@pytest.fixture(scope="module", params=[True, False], ids=["timescale", "plain"])
def scene(request: pytest.FixtureRequest, databases: Databases) -> str:
    uri = databases.create()
    storage.migrate(uri, timescale=request.param)
    write_scene(uri)
    return uri


@pytest.fixture
def reader(scene: str) -> Iterator[Reader]:
    with storage.connect(scene) as session, session.transaction(force_rollback=True):
        session.execute("SET TRANSACTION READ ONLY")
        session.execute("SET LOCAL ROLE drukte_reader")
        session.execute("SET LOCAL statement_timeout = '20s'")
        session.execute("SET LOCAL timezone = 'UTC'")
        yield Reader(session)


@pytest.mark.parametrize("shown", RANGES.values(), ids=RANGES.keys())
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_every_query_gives_what_its_format_asks_for(reader: Reader, query: Query, shown: Range) -> None:
    rows = reader.ask(query.sql, shown)
    names = reader.columns(query.sql, shown)
    assert len(rows) < ROW_LIMIT
    if query.result_format == "variable":
        assert names == ["__text", "__value"]
        assert rows
    elif query.result_format == "annotation":
        assert names == ["time", "timeend", "text", "tags"]
    elif query.result_format == "time_series":
        assert names[0] == "time"
        for row in rows:
            assert all(value is None or isinstance(value, int | float | Decimal)
                       for name, value in row.items() if name != "time")
    if "time" in names:
        times = [row["time"] for row in rows]
        assert all(isinstance(one, datetime) for one in times)
        assert times == sorted(times)


@pytest.mark.parametrize("query", [one for one in QUERIES if "$zone" in one.sql or "$gate" in one.sql],
                         ids=lambda query: query.where)
def test_a_quote_in_a_variable_stays_a_text(reader: Reader, query: Query) -> None:
    assert reader.ask(query.sql, variables={"zone": "'s-gravenplein", "gate": "x' OR '1'='1"}) == []


def test_a_stranger_reads_which_zone_is_worst_and_since_when(reader: Reader) -> None:
    assert reader.ask(city_wall.WORST) == [{
        "Drukste zone": "Malieveld noord", "Niveau": "3 rood", "Sinds": "13:32",
        "Van het toegestane": "100–105 %", "Personen": "18000–18900",
    }]


def test_missing_windows_do_not_end_a_run_and_no_zone_without_data_is_green(reader: Reader) -> None:
    rows = {row["sleutel"]: row for row in reader.ask(city_wall.ZONES)}
    assert rows["malieveld-noord"]["Sinds"] == "13:32"
    for key, since in (("pier", "13:00"), ("spui", "12:30"), ("zuiderpark-veld", "meer dan 24 uur")):
        found = rows[key]
        assert (found["Niveau"], found["Sinds"]) == (NO_DATA, since)
        assert (found["Personen"], found["Van het toegestane"], found["Dekking"]) == ("–", "–", "0 %")
    assert rows["pier"]["Leeftijd"] == "60 min"
    assert rows["spui"]["Leeftijd"] == "0 s"
    assert rows["zuiderpark-veld"]["Leeftijd"] == NO_DATA


def test_zones_stand_by_level_then_by_percent_and_those_without_data_above_calm_ones(reader: Reader) -> None:
    rows = reader.ask(city_wall.ZONES)
    words = [row["Niveau"] for row in rows]
    assert words == sorted(words, key=lambda word: -float(word[0]) if word != NO_DATA else -0.5)
    assert words[:3] == ["3 rood", "2 oranje", "1 geel"]
    assert words[3:6] == [NO_DATA] * 3
    assert len(rows) == 14


def test_a_zone_without_capacity_shows_a_dash_and_a_partial_one_its_coverage(reader: Reader) -> None:
    rows = {row["sleutel"]: row for row in reader.ask(city_wall.ZONES)}
    west, kurhaus = rows["grote-marktstraat-west"], rows["boulevard-kurhaus"]
    assert (west["Niveau"], west["Van het toegestane"], west["Personen"]) == ("1 geel", "–", "2400–2520")
    assert (kurhaus["Dekking"], kurhaus["Van het toegestane"]) == ("50 %", "87–91 %")
    assert rows["plein"]["Personen"] == "<10"
    assert rows["malieveld-noord"]["Verloop"] == "↑ drukker"


def test_counts_and_age_say_where_we_are_blind(reader: Reader) -> None:
    assert reader.ask(city_wall.COUNTS) == [
        {"Zones vanaf niveau 2": 2, "Zones geen gegevens": 3, "Open meldingen": 4}
    ]
    assert reader.ask(city_wall.FRESHNESS) == [{"Nieuwste gegevens": "0 s"}]
    later = reader.ask(city_wall.FRESHNESS, last(3, NOON + timedelta(minutes=12)))
    assert later == [{"Nieuwste gegevens": "verouderd: 12 min"}]
    assert reader.ask(city_wall.FRESHNESS, last(3, NOON + timedelta(days=3))) == [{"Nieuwste gegevens": NO_DATA}]


def test_when_everything_stopped_nothing_keeps_its_level(reader: Reader) -> None:
    rows = reader.ask(city_wall.ZONES, last(3, NOON + timedelta(minutes=12)))
    assert {row["Niveau"] for row in rows} == {NO_DATA}
    assert {row["niveau"] for row in reader.ask(city_wall.MAP, last(3, NOON + timedelta(minutes=12)))} == {-1}


def test_the_map_has_every_zone_with_its_word(reader: Reader) -> None:
    rows = {row["sleutel"]: row for row in reader.ask(city_wall.MAP)}
    assert len(rows) == 14
    assert rows["malieveld-noord"]["opschrift"] == "Malieveld noord: 3 rood"
    assert rows["malieveld-midden"]["opschrift"] == "0 groen"
    assert (rows["pier"]["niveau"], rows["pier"]["opschrift"]) == (-1, f"Pier: {NO_DATA}")
    assert all(52.0 < row["lat"] < 52.2 and 4.2 < row["lon"] < 4.4 for row in rows.values())


def test_open_alerts_with_place_level_since_and_the_stale_one_marked(reader: Reader) -> None:
    rows = reader.ask(city_wall.ALERTS)
    told = [(row["Plaats"], row["Regel"], row["Niveau"], row["Sinds"], row["Stand"], row["Gegevens"]) for row in rows]
    assert told == [
        ("Pier", "rood", NO_DATA, "12:50", "actief", "verouderd, toen: 3 rood"),
        ("Malieveld noord", "rood", "3 rood", "13:32", "actief", "actueel"),
        ("Boulevard Kurhaus", "oranje", "1 geel", "12:15", "zakt", "actueel"),
        ("Malieveld noord", "oranje", "2 oranje", "13:00", "actief, onderdrukt", "actueel"),
    ]
    assert [(row["Duur"], row["Bevestiging"], row["Escalatie"]) for row in rows] == [
        ("69 min", "onbevestigd", "geëscaleerd"), ("27 min", "bevestigd, bij police", "–"),
        ("104 min", "onbevestigd", "–"), ("59 min", "onbevestigd", "–"),
    ]


def _told(measure: str, state: State, level: int, number: int) -> Transition:
    at_us = round((NOON - timedelta(minutes=30)).timestamp()) * 1_000_000
    return transition(f"{number:016x}", 1, place="plein", site="plein", rule=measure, measure=measure, level_to=level,
                      state_to=state, level_from=0, opened_at_us=at_us, at_us=at_us)


@pytest.mark.parametrize(("measure", "state", "level", "word", "colour"), [
    ("no-data", State.FIRING, 1, NO_DATA, GREY),
    ("sensor-loss", State.FIRING, 1, "uitval van sensoren", BLUE),
    ("rise", State.FIRING, 2, "2 oranje", ORANGE),
    ("rise", State.RECOVERING, 0, "snelle toename", BLUE),
    ("forecast", State.FIRING, 3, "3 rood verwacht", RED),
    ("people", State.RECOVERING, 0, "0 groen", GREEN),
    ("of-a-newer-worker", State.RECOVERING, 0, "of-a-newer-worker", BLUE),
])
def test_an_alert_has_a_level_only_where_its_rule_knows_one(
    scene: str, measure: str, state: State, level: int, word: str, colour: str
) -> None:
    buffer = RowBuffer()
    buffer.add(alert_message(_told(measure, state, level, 1)))
    with storage.connect(scene) as session, session.transaction(force_rollback=True):
        write_buffer(session, buffer)
        reader = Reader(session)
        [row] = [row for row in reader.ask(city_wall.ALERTS) if row["sleutel"] == "plein"]
        [listed] = [row for row in reader.ask(zone.ALERTS, variables={"zone": "plein"}) if row["Regel"] == measure]
    assert (row["Niveau"], listed["Hoogste niveau"], row["Gegevens"]) == (word, word, "actueel")
    [panel] = [one for one in city_wall.city_wall()["panels"] if one["id"] == 6]
    assert cell_colour(panel, "Niveau", word) == colour


def test_the_past_is_shown_as_it_was(reader: Reader) -> None:
    then = last(1, NOON - timedelta(minutes=65))
    rows = {row["sleutel"]: row["Niveau"] for row in reader.ask(city_wall.ZONES, then)}
    assert (rows["malieveld-noord"], rows["pier"]) == ("0 groen", "3 rood")
    assert [(row["Plaats"], row["Gegevens"]) for row in reader.ask(city_wall.ALERTS, then)] == [
        ("Pier", "actueel"), ("Boulevard Kurhaus", "actueel"),
    ]
    earlier = last(1, NOON - timedelta(minutes=140))
    assert [row["Plaats"] for row in reader.ask(city_wall.ALERTS, earlier)] == ["Plein"]


def test_a_level_older_than_what_was_written_is_said_to_be_older(reader: Reader) -> None:
    then = last(1, NOON - timedelta(minutes=110))
    rows = {row["sleutel"]: row["Sinds"] for row in reader.ask(city_wall.ZONES, then)}
    assert rows["boulevard-kurhaus"] == "vóór 11:00"


def test_roads_tell_slow_ones_first_and_silent_ones_as_silent(reader: Reader) -> None:
    assert reader.ask(city_wall.ROAD_COUNTS) == [{
        "Meetpunten met gegevens": 1, "Meetpunten geen gegevens": 1, "Voertuigen per minuut, alle": 42,
    }]
    busy, silent = reader.ask(city_wall.ROADS)
    assert (busy["Weg"], busy["Snelheid"], busy["Voertuigen per minuut"]) == ("A12 km 0.1", "31 km/u (28–34)", "42")
    assert (busy["Van vrije snelheid"], busy["Niveau A–F"], silent["Niveau A–F"]) == ("29 %", "E", "–")
    assert (silent["Snelheid"], silent["Voertuigen per minuut"], silent["Dekking"]) == (NO_DATA, "–", "0 %")
    assert BUSY_ROAD not in {row["__value"] for row in reader.ask(zone.ZONE_VARIABLE)}


def test_sensors_that_are_not_in_order_the_worst_first_and_lanes_of_a_road_together(reader: Reader) -> None:
    rows = [tuple(row.values()) for row in reader.ask(city_wall.SENSORS)]
    camera, counter = "Voorbeeld Camera BV", "Voorbeeld Tellers BV"
    assert rows == [
        ("cam-spui", "Spui", camera, "defect", "31-05 12:00"),
        ("cam-malieveld-noord-2", "Malieveld noord", camera, "vastgelopen", "13:30"),
        ("cam-zuiderpark-veld-1", "Zuiderpark evenementenveld", camera, NO_DATA, "meer dan 24 uur"),
        ("cam-zuiderpark-veld-2", "Zuiderpark evenementenveld", camera, NO_DATA, "12:00"),
        ("cam-pier", "Pier", camera, "stil", "13:01"),
        ("teller-malieveld-zuid-toegang", "Malieveld zuid, Zuid-Hollandlaan", counter, "klok loopt voor", "13:55"),
        ("RWS01_STIL/1 en 3 andere", "A12 km 0.9", "NDW", "stil", "12:20"),
    ]


def test_when_nothing_is_told_of_sensors_none_is_in_order(reader: Reader) -> None:
    then = last(3, NOON + timedelta(minutes=71))
    rows = reader.ask(city_wall.SENSORS, then)
    assert {row["Stand"] for row in rows} == {NO_DATA}
    assert len([row for row in rows if row["Leverancier"] != "NDW"]) == 39


def test_the_states_of_sensors_are_those_of_the_moment(reader: Reader) -> None:
    then = reader.ask(city_wall.SENSORS, last(3, NOON - timedelta(minutes=31)))
    assert "cam-malieveld-noord-2" not in {row["Sensor"] for row in then}
    assert "cam-spui" in {row["Sensor"] for row in then}


def test_likely_and_sure_integrity_events_of_the_last_day_are_told(reader: Reader) -> None:
    assert [tuple(row.values()) for row in reader.ask(city_wall.INTEGRITY)] == [
        ("cam-plein", "Plein", "oude metingen opnieuw", "13:15", "13:45", "zeker"),
        ("cam-pier", "Pier", "telt over andere tijdvakken", "04:00", "04:15", "waarschijnlijk"),
    ]
    assert reader.ask(city_wall.INTEGRITY, last(3, NOON + timedelta(days=2))) == []


def test_the_database_and_the_page_have_the_same_words_for_states(reader: Reader) -> None:
    for state in SensorState:
        assert reader.ask(f"SELECT live.sensor_state_text({int(state)}) AS word") == [{"word": SENSOR_STATES[state]}]
    words = [reader.ask(f"SELECT live.integrity_text('{kind}') AS word")[0]["word"] for kind in IntegrityKind]
    assert len(set(words) - set(IntegrityKind)) == len(IntegrityKind)


def test_the_course_of_levels_shows_what_is_missing(reader: Reader) -> None:
    told = {(row["zone"], row["time"]): row["niveau"] for row in reader.ask(city_wall.COURSE)}
    assert told["Malieveld noord", NOON - timedelta(minutes=28)] == "3 rood"
    assert told["Malieveld noord", NOON - timedelta(minutes=20)] == NO_DATA
    assert told["Pier", NOON - timedelta(minutes=61)] == "3 rood"
    # Rows that nobody wrote are gaps as well, but for the last minutes, which may still come.
    assert told["Pier", NOON - timedelta(minutes=10)] == NO_DATA
    assert ("Pier", NOON - timedelta(minutes=1)) not in told
    assert told["Malieveld noord", NOON - timedelta(minutes=1)] == "3 rood"
    assert len({name for name, _ in told}) == 14


def test_a_longer_step_is_green_only_where_all_of_it_was_seen(reader: Reader) -> None:
    day = Range(NOON - timedelta(hours=24), NOON, points=144)
    assert day.interval_s == 600
    told = {(row["zone"], row["time"]): row["niveau"] for row in reader.ask(city_wall.COURSE, day)}
    assert told["Malieveld noord", NOON - timedelta(minutes=20)] == "3 rood"
    assert told["Malieveld noord", NOON - timedelta(minutes=30)] == "3 rood"
    assert told["Spui", NOON - timedelta(minutes=100)] == "0 groen"
    assert told["Spui", NOON - timedelta(minutes=90)] == NO_DATA
    assert told["Plein", NOON - timedelta(hours=5)] == NO_DATA


def test_people_over_time_are_a_band_with_gaps_and_never_one_number(reader: Reader) -> None:
    rows = {row["time"]: row for row in reader.ask(zone.PEOPLE_COURSE)}
    now, missing = rows[NOON - timedelta(minutes=5)], rows[NOON - timedelta(minutes=20)]
    assert (now["ten minste"], now["ten hoogste"], now["toegestaan"]) == (18_000, 18_900, 18_000)
    assert (missing["ten minste"], missing["ten hoogste"]) == (None, None)
    percent = {row["time"]: row for row in reader.ask(zone.PERCENT_COURSE)}
    assert percent[NOON - timedelta(minutes=5)]["ten minste"] == 100
    without = reader.ask(zone.PERCENT_COURSE, variables=CHOSEN | {"zone": "grote-marktstraat-west"})
    assert {(row["ten minste"], row["ten hoogste"]) for row in without} == {(None, None)}
    assert without


def test_the_tiles_of_a_zone_say_its_state(reader: Reader) -> None:
    [now] = reader.ask(zone.NOW)
    assert (now["Niveau"], now["Sinds"], now["Personen per m²"]) == ("3 rood", "13:32", "0,90–0,94")
    [blind] = reader.ask(zone.NOW, variables={"zone": "spui"})
    assert (blind["Niveau"], blind["Personen"], blind["Verloop"]) == (NO_DATA, "–", "–")


def test_withheld_and_missing_flows_are_told_apart(reader: Reader) -> None:
    shown = {row["time"]: row["stand"] for row in reader.ask(zone.GATE_SHOWN)}
    flows = {row["time"]: row for row in reader.ask(zone.GATE_COURSE)}
    for minute, stand in ((-100, "achtergehouden"), (-38, NO_DATA), (-5, "getoond")):
        at = NOON + timedelta(minutes=minute)
        assert shown[at] == stand
        assert (flows[at]["in, ten minste"] is None) == (stand != "getoond")
    now = flows[NOON - timedelta(minutes=5)]
    assert (now["in, ten minste"], now["in, ten hoogste"]) == (120, 124)
    assert (now["uit, ten minste"], now["uit, ten hoogste"]) == (20, 24)
    bounds = {row["time"]: (row["ten minste"], row["ten hoogste"]) for row in reader.ask(zone.GATE_FLOW_COURSE)}
    assert bounds[NOON - timedelta(minutes=5)] == pytest.approx((5.3, 8.0))
    assert bounds[NOON - timedelta(minutes=100)] == (None, None)


def test_what_gates_say_stands_beside_what_sensors_see_and_never_instead(reader: Reader) -> None:
    rows = {row["sleutel"]: row for row in reader.ask(city_wall.ZONES)}
    assert (rows["spui"]["Niveau"], rows["spui"]["Volgens de poorten"]) == (NO_DATA, "50–60 % (500–599)")
    assert rows["plein"]["Volgens de poorten"] == "–"
    [inside] = reader.ask(ahead.INSIDE_NOW, variables={"zone": "spui"})
    assert (inside["Van het toegestane"], inside["Personen per m², volgens de poorten"]) == ("50–60 %", "0,34–0,41")
    assert len(reader.ask(ahead.INSIDE_DENSITY_COURSE, variables={"zone": "spui"})) == 60
    assert reader.ask(ahead.INSIDE_NOW, last(3, NOON + timedelta(minutes=5)), {"zone": "spui"}) == []


def test_variables_offer_zones_and_the_gates_of_the_site(reader: Reader) -> None:
    zones = reader.ask(zone.ZONE_VARIABLE)
    assert {"__text": "Pier (Scheveningen, boulevard en pier)", "__value": "pier"} in zones
    assert {row["__value"] for row in reader.ask(zone.GATE_VARIABLE)} == {
        "malieveld-noord-toegang", "malieveld-midden-toegang", "malieveld-zuid-toegang",
    }


def test_annotations_also_show_alerts_that_began_before_the_view(reader: Reader) -> None:
    marks = reader.ask(zone.ALERT_MARKS, last(0.25, NOON))
    assert [(row["text"], row["timeend"]) for row in marks] == [
        ("Melding oranje (open)", NOON), ("Melding rood (open)", NOON),
    ]
    assert marks[1]["tags"] == "melding,critical"
    closed = reader.ask(zone.ALERT_MARKS, variables={"zone": "plein"})
    assert [row["text"] for row in closed] == ["Melding oranje"]
    assert reader.ask(zone.ALERT_MARKS, last(1, NOON), {"zone": "plein"}) == []
    [listed] = reader.ask(zone.ALERTS, variables={"zone": "plein"})
    assert (listed["Van"], listed["Tot"], listed["Hoogste niveau"]) == ("11:30", "11:50", "2 oranje")


def test_what_is_asked_of_now_does_not_read_the_whole_history(databases: Databases) -> None:
    uri = databases.create()
    storage.migrate(uri)
    write_scene(uri)
    with storage.connect(uri) as session:
        session.execute(
            "INSERT INTO live.zone_minute SELECT number, at, 60, 400, 404, 10, 10, 1, 1, 0, 0, 1, 0 "
            "FROM engine.place_now CROSS JOIN generate_series(%s::timestamptz - interval '72 hours', "
            "%s::timestamptz - interval '1 minute', interval '1 minute') AS at WHERE kind = 'zone' "
            "AND facility <> 'road' ON CONFLICT DO NOTHING", (NOON, NOON),
        )
        session.execute(
            "INSERT INTO live.sensor_health SELECT number, at, 0, at FROM engine.sensor CROSS JOIN generate_series("
            "%s::timestamptz - interval '72 hours', %s::timestamptz, interval '1 hour') AS at ON CONFLICT DO NOTHING",
            (NOON, NOON),
        )
        session.execute("ANALYZE live.zone_minute")
        session.execute("ANALYZE live.sensor_health")
        told = session.execute("SELECT count(*) FROM live.sensor_health").fetchone()
        assert told is not None
        counted = session.execute("SELECT count(*) FROM live.zone_minute").fetchone()
        assert counted is not None
        with session.transaction():
            session.execute("SET LOCAL ROLE drukte_reader")
            reader = Reader(session)
            for query in (city_wall.WORST, city_wall.ZONES, city_wall.MAP, zone.NOW, zone.PEOPLE_COURSE):
                assert 0 < reader.rows_read(query, SHOWN) < counted[0] / 5
            assert 0 < reader.rows_read(city_wall.SENSORS, SHOWN) < told[0] / 5


def test_times_are_those_of_amsterdam_in_summer_and_winter(reader: Reader) -> None:
    at = "SELECT live.clock_text('{0}', '{1}', 'Europe/Amsterdam') AS shown"
    for stamp, moment, text in (
        ("2026-10-24T22:30Z", "2026-10-25T12:00Z", "00:30"), ("2026-10-25T00:30Z", "2026-10-25T12:00Z", "02:30"),
        ("2026-10-25T01:30Z", "2026-10-25T12:00Z", "02:30"), ("2026-10-24T21:30Z", "2026-10-25T12:00Z", "24-10 23:30"),
    ):
        assert reader.ask(at.format(stamp, moment)) == [{"shown": text}]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not installed; install Debian's package chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@pytest.mark.parametrize("made", [city_wall.city_wall(), zone.zone()], ids=["city-wall", "zone"])
def test_a_drawing_from_options_and_rows_tells_the_level_by_colour_and_word(
    reader: Reader, browser: Browser, tmp_path: Path, made: Row
) -> None:
    drawn = page(made, reader.ask, SHOWN, {} if made["uid"] == city_wall.UID else CHOSEN)
    tab = browser.new_page(viewport={"width": 1600, "height": 1400})
    try:
        tab.set_content(drawn)
        tab.screenshot(path=tmp_path / f"{made['uid']}.png", full_page=True)
        tile = tab.locator("#panel-1 .tile", has_text="Niveau")
        assert tile.locator("b").inner_text() == "3 rood"
        assert tile.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(213, 94, 0)"
        assert tab.locator("#panel-1 .tile", has_text="Sinds").locator("b").inner_text() == "13:32"
        if made["uid"] == city_wall.UID:
            blind = tab.locator("#panel-4 tr", has=tab.locator("td:text-is('Pier')")).locator("td").nth(1)
            assert blind.inner_text() == NO_DATA
            assert blind.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(128, 128, 128)"
            stuck = tab.locator("#panel-10 td:text-is('vastgelopen')")
            assert stuck.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(230, 159, 0)"
        else:
            assert tab.locator("#panel-3 .band").count() > 1
    finally:
        tab.close()
