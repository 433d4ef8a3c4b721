# SPDX-License-Identifier: Apache-2.0
"""*City wall*: which zone is worst and since when, what is open, and where we are blind."""

# ruff: noqa: S608  The queries are put together from constants of this package; nothing comes from outside.
from dashboards import wording
from dashboards.grafana import Json, Place, Visual, annotation, dashboard, visual
from dashboards.look import (
    BLUE,
    ESCALATION_MAPPINGS,
    FRESHNESS_MAPPINGS,
    GREY,
    LEVEL_MAPPINGS,
    LEVEL_STEPS,
    NO_DATA,
    ORANGE,
    PDOK_GREY,
    PURPLE,
    RED,
    SENSOR_MAPPINGS,
    by_name,
    coloured_cell,
    steps,
)
from dashboards.visuals import state_timeline, table, tiles
from dashboards.wording import ATTENTION_FIRST, BUSIEST_FIRST, LEVEL, MOMENT, PEOPLE, PERCENT, SINCE

UID = "drukte-city-wall"
ZONE_LINK = {
    "title": "Open de zone", "url": "/d/drukte-zone?var-zone=${__data.fields.sleutel}&${__url_time_range}",
    "targetBlank": False,
}
_ZONES = f"live.zone_state_at({MOMENT})"
COURSE_ZONES = 20
"""As many as one page of the timeline shows."""
COURSE_POINTS = 240
_HIDDEN_KEY = by_name("sleutel", custom__hideFrom={"viz": True, "legend": True, "tooltip": True})

WORST = f"""
SELECT name AS "Drukste zone", {LEVEL} AS "Niveau", {SINCE} AS "Sinds", {PERCENT} AS "Van het toegestane",
    {PEOPLE} AS "Personen"
FROM {_ZONES} ORDER BY {BUSIEST_FIRST} LIMIT 1"""

COUNTS = f"""
SELECT count(*) FILTER (WHERE level >= 2) AS "Zones vanaf niveau 2",
    count(*) FILTER (WHERE level IS NULL) AS "Zones {NO_DATA}",
    (SELECT count(*) FROM live.open_alert_at({MOMENT})) AS "Open meldingen"
FROM {_ZONES}"""

FRESHNESS = f"""
SELECT CASE WHEN newest IS NULL THEN '{NO_DATA}'
    WHEN newest < {MOMENT} - interval '3 minutes' THEN 'verouderd: ' || {wording.age("newest")}
    ELSE {wording.age("newest")} END AS "Nieuwste gegevens"
FROM (SELECT max(window_end) AS newest FROM {_ZONES}) AS zones"""

ZONES = f"""
WITH inside AS (SELECT * FROM live.inside_state_at({MOMENT}))
SELECT name AS "Zone", {LEVEL} AS "Niveau", {SINCE} AS "Sinds", {PERCENT} AS "Van het toegestane",
    {PEOPLE} AS "Personen", {wording.INSIDE} AS "Volgens de poorten", {wording.TREND} AS "Verloop",
    {wording.COVERAGE} AS "Dekking", {wording.age("window_end")} AS "Leeftijd", site_name AS "Terrein", key AS sleutel
FROM {_ZONES} AS zones ORDER BY {ATTENTION_FIRST}"""

MAP = f"""
SELECT name AS "Zone", lat, lon, coalesce(level, -1) AS niveau, {LEVEL} AS "Niveau",
    CASE WHEN level = 0 THEN {LEVEL} ELSE name || ': ' || {LEVEL} END AS opschrift,
    {SINCE} AS "Sinds", {PERCENT} AS "Van het toegestane", {PEOPLE} AS "Personen", key AS sleutel
FROM {_ZONES} WHERE lat IS NOT NULL AND lon IS NOT NULL ORDER BY attention, name"""

_ALERT_LEVEL = wording.alert_level("measure", "level", "level_names")
ALERTS = f"""
SELECT place_name AS "Plaats", rule AS "Regel",
    CASE WHEN stale THEN '{NO_DATA}' ELSE {_ALERT_LEVEL} END AS "Niveau", {wording.clock("opened_at")} AS "Sinds",
    {wording.age("opened_at")} AS "Duur",
    CASE state WHEN 'recovering' THEN 'zakt' ELSE 'actief' END || CASE WHEN suppressed THEN ', onderdrukt' ELSE '' END
        || CASE WHEN exercise THEN ', oefening' ELSE '' END AS "Stand",
    CASE WHEN acknowledged THEN 'bevestigd' ELSE 'onbevestigd' END
        || CASE WHEN assigned = '' THEN '' ELSE ', bij ' || assigned END AS "Bevestiging",
    CASE WHEN escalated THEN 'geëscaleerd' ELSE '–' END AS "Escalatie",
    CASE WHEN stale THEN 'verouderd, toen: ' || {_ALERT_LEVEL} ELSE 'actueel' END AS "Gegevens",
    {PERCENT} AS "Van het toegestane", {PEOPLE} AS "Personen", {wording.clock("at")} AS "Laatste wijziging",
    place AS sleutel
FROM (
    SELECT standing.*, alert.measure FROM live.open_alert_at({MOMENT}) AS standing
    JOIN live.alert AS alert USING (alert_id)) AS alerts
ORDER BY suppressed, escalated DESC, level DESC, opened_at, place, rule"""
"""Only a rule about levels has that of its place; of missing data, and of a condition that eases, there is none."""

ROAD_COUNTS = f"""
SELECT count(*) FILTER (WHERE is_known) AS "Meetpunten met gegevens",
    count(*) FILTER (WHERE NOT is_known) AS "Meetpunten {NO_DATA}",
    round(sum(vehicles_per_minute))::integer AS "Voertuigen per minuut, alle"
FROM live.road_state_at({MOMENT})"""

ROADS = f"""
SELECT name AS "Weg",
    CASE WHEN NOT is_known THEN '{NO_DATA}' WHEN vehicles_per_minute = 0 THEN 'geen voertuigen'
         ELSE coalesce(round(speed_km_h)::integer || ' km/u'
             || coalesce(' (' || live.range_text(speed_low_km_h, speed_high_km_h, 0) || ')', ''), '–')
         END AS "Snelheid",
    coalesce(floor(percent_of_free_flow + 0.0001)::integer || ' %', '–') AS "Van vrije snelheid",
    coalesce(live.service_level_text(service_level), '–') AS "Niveau A–F",
    coalesce(round(vehicles_per_minute)::integer::text, '–') AS "Voertuigen per minuut",
    {wording.COVERAGE} AS "Dekking", {wording.age("window_end")} AS "Leeftijd"
FROM live.road_state_at({MOMENT})
ORDER BY is_known DESC, speed_km_h NULLS LAST, name LIMIT 25"""

COURSE = f"""
SELECT at AS time, name AS zone, level_text AS niveau
FROM live.zone_steps(
    ARRAY(SELECT key FROM {_ZONES} ORDER BY {ATTENTION_FIRST} LIMIT {COURSE_ZONES}),
    $__timeFrom(), $__timeTo(), {wording.STEP}
) ORDER BY at, name"""

SENSORS_SHOWN = 50
SENSORS = f"""
SELECT CASE count(*) WHEN 1 THEN min(key) ELSE min(key) || ' en ' || count(*) - 1 || ' andere' END AS "Sensor",
    coalesce(place_name, '–') AS "Plaats", supplier AS "Leverancier", live.sensor_state_text(state) AS "Stand",
    CASE WHEN min(since) IS NULL THEN 'meer dan 24 uur' ELSE {wording.clock("min(since)")} END AS "Sinds"
FROM live.sensor_state_at({MOMENT}) WHERE state IS DISTINCT FROM 0
GROUP BY is_road, place, place_name, supplier, state, CASE WHEN is_road THEN '' ELSE key END
ORDER BY is_road, coalesce(state, 6.5) DESC, min(since) NULLS FIRST, min(key) LIMIT {SENSORS_SHOWN}"""
"""Lanes of one measuring site in the same state stand together: a road has many."""

INTEGRITY = f"""
SELECT key AS "Sensor", coalesce(place_name, '–') AS "Plaats", live.integrity_text(kind) AS "Wat",
    {wording.clock("from_at")} AS "Van", {wording.clock("until_at")} AS "Tot",
    CASE WHEN is_sure THEN 'zeker' ELSE 'waarschijnlijk' END AS "Hoe zeker"
FROM live.integrity_at({MOMENT}) ORDER BY until_at DESC, key, kind LIMIT {SENSORS_SHOWN}"""

CONTEXT = """
SELECT begins_at AS time, ends_at AS timeend,
    CASE kind WHEN 'road-works' THEN 'Wegwerkzaamheden' WHEN 'closure' THEN 'Afsluiting' WHEN 'event' THEN 'Evenement'
        WHEN 'incident' THEN 'Incident' ELSE 'Verkeersmaatregel' END AS text,
    source || ',' || kind AS tags
FROM live.context_between($__timeFrom(), $__timeTo())"""


def city_wall() -> Json:
    """The dashboard as JSON values."""
    return dashboard(
        UID, "Stadswand",
        "Welke zone is het drukst en sinds wanneer? Personen zijn altijd een klasse, nooit een telling. "
        "Grijs betekent: geen gegevens, dus niet: rustig.",
        [*_first_line(), *_zones(), *_alerts_and_roads(), _course(), *_sensors()],
        annotations=[annotation("Omgeving", CONTEXT, PURPLE)],
    )


def _first_line() -> list[Visual]:
    return [
        tiles(1, "Drukste zone nu", Place(0, 0, 15, 4), WORST,
              overrides=[by_name("Niveau", mappings=LEVEL_MAPPINGS)],
              description="Van de zones waarvan nu iets bekend is. Sinds: op dit niveau of hoger."),
        tiles(2, "Aantallen", Place(15, 0, 6, 4), COUNTS, overrides=[
            by_name("Zones vanaf niveau 2", thresholds=steps((None, BLUE), (1, RED))),
            by_name(f"Zones {NO_DATA}", thresholds=steps((None, BLUE), (1, GREY))),
            by_name("Open meldingen", thresholds=steps((None, BLUE), (1, ORANGE))),
        ]),
        tiles(3, "Leeftijd", Place(21, 0, 3, 4), FRESHNESS, mappings=FRESHNESS_MAPPINGS,
              description="Hoe lang geleden het nieuwste tijdvak van een zone eindigde."),
    ]


def _zones() -> list[Visual]:
    return [
        table(4, "Zones, meeste aandacht eerst", Place(0, 4, 15, 16), ZONES, empty="Geen zones bekend",
              overrides=[coloured_cell("Niveau", LEVEL_MAPPINGS), by_name("Zone", links=[ZONE_LINK]),
                         by_name("Zone", custom__minWidth=190), _HIDDEN_KEY],
              description="Zones zonder gegevens staan boven de rustige. Een klasse is die van het drukste "
                          "moment van het tijdvak."),
        _map(),
    ]


def _map() -> Visual:
    style = {
        "color": {"field": "niveau", "fixed": GREY}, "opacity": 0.9, "size": {"fixed": 11, "min": 2, "max": 15},
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
        "text": {"mode": "field", "field": "opschrift", "fixed": ""},
        "textConfig": {"fontSize": 13, "offsetX": 0, "offsetY": -18, "textAlign": "center",
                       "textBaseline": "middle"},
    }
    layer = {
        "type": "markers", "name": "Zones", "tooltip": True, "opacity": 1,
        "location": {"mode": "coords", "latitude": "lat", "longitude": "lon"},
        "config": {"showLegend": False, "style": style},
    }
    return visual(
        5, "geomap", "Kaart", Place(15, 4, 9, 16), MAP,
        description="Een punt in elke zone met haar niveau, en haar naam boven niveau 0. Grijs: geen gegevens.",
        options={
            "view": {"id": "fit", "lat": 52.08, "lon": 4.31, "zoom": 12, "allLayers": True, "padding": 10},
            "basemap": {"name": "Achtergrond", **PDOK_GREY}, "layers": [layer],
            "controls": {"showZoom": True, "mouseWheelZoom": True, "showAttribution": True, "showScale": False,
                         "showMeasure": False, "showDebug": False},
            "tooltip": {"mode": "details"},
        },
        defaults={"color": {"mode": "thresholds"}, "thresholds": LEVEL_STEPS, "links": [ZONE_LINK]},
    )


def _alerts_and_roads() -> list[Visual]:
    return [
        table(6, "Open meldingen", Place(0, 20, 15, 9), ALERTS, empty="Geen open meldingen",
              overrides=[coloured_cell("Niveau", LEVEL_MAPPINGS), coloured_cell("Gegevens", FRESHNESS_MAPPINGS),
                         coloured_cell("Escalatie", ESCALATION_MAPPINGS),
                         by_name("Plaats", links=[ZONE_LINK]), _HIDDEN_KEY]),
        tiles(7, "Wegen", Place(15, 20, 9, 3), ROAD_COUNTS, overrides=[
            by_name(f"Meetpunten {NO_DATA}", thresholds=steps((None, BLUE), (1, GREY))),
        ]),
        table(8, "Wegen, langzaamste eerst", Place(15, 23, 9, 6), ROADS, empty="Geen wegen in deze stad",
              overrides=[coloured_cell("Snelheid", FRESHNESS_MAPPINGS)]),
    ]


def _course() -> Visual:
    return state_timeline(
        9, f"Verloop van het niveau, {COURSE_ZONES} zones die de meeste aandacht vragen", Place(0, 29, 24, 13), COURSE,
        LEVEL_MAPPINGS, split_by="zone", points=COURSE_POINTS,
        description="Het hoogste niveau per stap. Groen alleen waar de hele stap is gezien.",
    )


def _sensors() -> list[Visual]:
    return [
        table(10, "Sensoren", Place(0, 42, 15, 10), SENSORS, empty="Geen afwijkende sensoren bekend",
              overrides=[coloured_cell("Stand", SENSOR_MAPPINGS), by_name("Sensor", custom__minWidth=190)],
              description="Alleen sensoren die niet in orde zijn. Wat een vastgelopen of defecte sensor zegt, telt "
                          "niet mee: de dekking daalt. Geen gegevens: over deze sensor is het laatste uur niets "
                          "gezegd. Stroken van één meetpunt met dezelfde stand staan samen."),
        table(11, "Opvallende metingen, laatste 24 uur", Place(15, 42, 9, 10), INTEGRITY,
              empty="Geen opvallende metingen bekend", overrides=[],
              description="Wat eruitziet als ingrijpen of als een sensor die onaangekondigd anders telt."),
    ]
