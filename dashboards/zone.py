# SPDX-License-Identifier: Apache-2.0
"""*Zone*: one zone and the gates of its site over time, in bands."""

# ruff: noqa: S608  The queries are put together from constants of this package; nothing comes from outside.
from dashboards import ahead, wording
from dashboards.grafana import Json, Place, annotation, dashboard, variable
from dashboards.look import (
    BLUE,
    FRESHNESS_MAPPINGS,
    GREEN,
    LEVEL_MAPPINGS,
    NO_DATA,
    ORANGE,
    RED,
    SHOWN_MAPPINGS,
    by_name,
    coloured_cell,
    steps,
)
from dashboards.visuals import band_chart, state_timeline, table, tiles, time_chart
from dashboards.wording import LEVEL, MOMENT, PEOPLE, PERCENT, SINCE, STEP

UID = "drukte-zone"
PURPLE = "#CC79A7"
_ZONE_STEPS = f"live.zone_steps(ARRAY['$zone'], $__timeFrom(), $__timeTo(), {STEP})"
_GATE_STEPS = f"live.gate_steps('$gate', $__timeFrom(), $__timeTo(), {STEP})"
_STEP_NOTE = "Beslaat een stap meer tijdvakken, dan de klasse van het drukste."

ZONE_VARIABLE = """
SELECT z.name || ' (' || coalesce(s.name, z.site) || ')' AS __text, z.key AS __value
FROM engine.place_now AS z LEFT JOIN engine.place_now AS s ON s.kind = 'site' AND s.key = z.site
WHERE z.kind = 'zone' AND z.facility IS DISTINCT FROM 'road' ORDER BY z.name, z.key"""

GATE_VARIABLE = """
SELECT g.name AS __text, g.key AS __value FROM engine.place_now AS g
JOIN engine.place_now AS z ON z.kind = 'zone' AND z.key = '$zone' AND z.site = g.site
WHERE g.kind = 'gate' ORDER BY g.name, g.key"""

NOW = f"""
SELECT {LEVEL} AS "Niveau", {PERCENT} AS "Van het toegestane", {PEOPLE} AS "Personen", {SINCE} AS "Sinds",
    {wording.DENSITY} AS "Personen per m²", {wording.TREND} AS "Verloop", {wording.COVERAGE} AS "Dekking",
    {wording.age("window_end")} AS "Leeftijd"
FROM live.zone_state_at({MOMENT}) WHERE key = '$zone'"""

PEOPLE_COURSE = f"""
SELECT at AS time, people_low AS "ten minste", people_high AS "ten hoogste", capacity AS "toegestaan"
FROM {_ZONE_STEPS} ORDER BY at"""

PERCENT_COURSE = f"""
SELECT at AS time, percent_low AS "ten minste", percent_high AS "ten hoogste" FROM {_ZONE_STEPS} ORDER BY at"""

DENSITY_COURSE = f"""
SELECT at AS time, density_low_per_m2 AS "ten minste", density_high_per_m2 AS "ten hoogste"
FROM {_ZONE_STEPS} ORDER BY at"""

LEVEL_COURSE = f"""
SELECT at AS time, name AS zone, level_text AS niveau FROM {_ZONE_STEPS} ORDER BY at"""

COVERAGE_COURSE = f"""
SELECT at AS time, coverage * 100 AS "dekking" FROM {_ZONE_STEPS} ORDER BY at"""

GATE_COURSE = f"""
SELECT at AS time, in_low AS "in, ten minste", in_high AS "in, ten hoogste",
    out_low AS "uit, ten minste", out_high AS "uit, ten hoogste"
FROM {_GATE_STEPS} ORDER BY at"""

GATE_FLOW_COURSE = f"""
SELECT at AS time, flow_lower_per_m_min AS "ten minste", flow_upper_per_m_min AS "ten hoogste"
FROM {_GATE_STEPS} ORDER BY at"""

GATE_SHOWN = f"""
SELECT at AS time, name AS poort, shown AS stand FROM {_GATE_STEPS} ORDER BY at"""

ALERTS = f"""
SELECT a.rule AS "Regel", {wording.clock("a.opened_at")} AS "Van",
    CASE WHEN a.state_to IN ('firing', 'recovering') THEN 'open' ELSE {wording.clock("a.at")} END AS "Tot",
    {wording.alert_level("a.measure", "worst.level", "p.level_names")} AS "Hoogste niveau",
    CASE WHEN a.stale THEN 'verouderd' ELSE 'actueel' END AS "Gegevens",
    coalesce(nullif(concat_ws(', ', CASE WHEN a.acknowledged THEN 'bevestigd' END,
        CASE WHEN a.escalated THEN 'geëscaleerd' END, CASE WHEN a.suppressed THEN 'onderdrukt' END,
        CASE WHEN a.exercise THEN 'oefening' END), ''), '–') AS "Bijzonderheden"
FROM live.alert AS a
JOIN LATERAL (
    SELECT max(greatest(t.level_from, t.level_to))::integer AS level FROM live.transition AS t
    WHERE t.alert_id = a.alert_id
) AS worst ON true
LEFT JOIN engine.place_now AS p ON p.kind = 'zone' AND p.key = a.place
WHERE a.place = '$zone' AND a.state_to IN ('firing', 'recovering', 'resolved')
    AND a.opened_at < $__timeTo() AND (a.state_to <> 'resolved' OR a.at > $__timeFrom())
ORDER BY a.opened_at DESC"""

ALERT_MARKS = f"""
SELECT a.opened_at AS time,
    CASE WHEN a.state_to = 'resolved' THEN a.at ELSE {MOMENT} END AS timeend,
    'Melding ' || a.rule || CASE WHEN a.state_to = 'resolved' THEN '' ELSE ' (open)' END AS text,
    'melding,' || a.severity AS tags
FROM live.alert AS a
WHERE a.place = '$zone' AND a.state_to IN ('firing', 'recovering', 'resolved')
    AND a.opened_at < $__timeTo() AND (a.state_to <> 'resolved' OR a.at > $__timeFrom())
ORDER BY a.opened_at"""

SIGHTINGS = f"""
SELECT {wording.clock("s.at")} AS "Tijd",
    CASE s.role WHEN 'operator' THEN 'centralist' WHEN 'police' THEN 'politie' WHEN 'medic' THEN 'hulpverlener'
        ELSE s.role END AS "Wie",
    coalesce(live.people_text(s.people_low, s.people_high), s.people_low || ' of meer') AS "Gezien, klasse",
    coalesce(live.people_text(s.sensor_low, s.sensor_high), '{NO_DATA}') AS "Sensor, klasse",
    CASE s.disagreement WHEN 'agrees' THEN 'sensor klopt ermee' WHEN 'sensor-lower' THEN 'sensor ziet minder'
        WHEN 'sensor-higher' THEN 'sensor ziet meer' WHEN 'no-sensor' THEN 'geen sensor'
        ELSE 'niet vergeleken' END AS "Vergelijking"
FROM live.sighting AS s
WHERE s.zone = '$zone' AND s.at BETWEEN $__timeFrom() AND $__timeTo() ORDER BY s.at DESC LIMIT 50"""

_PAIR = ("ten minste", "ten hoogste")


def zone() -> Json:
    """The dashboard as JSON values."""
    return dashboard(
        UID, "Zone",
        "Eén zone en de poorten van haar terrein. Personen zijn een klasse: ten minste en ten hoogste.",
        [
            tiles(1, "Nu", Place(0, 0, 24, 4), NOW, mappings=[], overrides=[
                by_name("Niveau", mappings=LEVEL_MAPPINGS), by_name("Leeftijd", mappings=FRESHNESS_MAPPINGS)]),
            state_timeline(2, "Niveau", Place(0, 4, 24, 4), LEVEL_COURSE, LEVEL_MAPPINGS, split_by="zone",
                           description="Het hoogste niveau per stap. Groen alleen waar de hele stap is gezien."),
            band_chart(3, "Personen, klasse", Place(12, 8, 12, 9), PEOPLE_COURSE, [(*_PAIR, BLUE)],
                       limit="toegestaan", description=_STEP_NOTE),
            band_chart(4, "Procent van het toegestane aantal, klasse", Place(0, 8, 12, 9), PERCENT_COURSE,
                       [(*_PAIR, BLUE)], unit="percent", description=_STEP_NOTE),
            band_chart(5, "Personen per m², klasse", Place(0, 17, 12, 8), DENSITY_COURSE, [(*_PAIR, BLUE)],
                       description=_STEP_NOTE),
            time_chart(6, "Dekking: deel van de sensoren dat meldt", Place(12, 17, 12, 8), COVERAGE_COURSE,
                       unit="percent", defaults={"min": 0, "max": 100, "thresholds": steps((None, RED), (50, GREEN))},
                       description="De laagste per stap. Onder de helft is een lage waarde geen bewijs van rust."),
            band_chart(7, "Poort: in en uit per tijdvak, klasse", Place(0, 25, 12, 9), GATE_COURSE,
                       [("in, ten minste", "in, ten hoogste", ORANGE),
                        ("uit, ten minste", "uit, ten hoogste", PURPLE)],
                       description="Achtergehouden zolang geen zone naast de poort 50 mensen telt: zo is niemand "
                                   "te volgen. " + _STEP_NOTE),
            state_timeline(8, "Poort: wat is te zien", Place(12, 25, 12, 4), GATE_SHOWN, SHOWN_MAPPINGS,
                           split_by="poort"),
            table(9, "Meldingen van deze zone", Place(12, 29, 12, 5), ALERTS,
                  empty=f"Geen meldingen in dit tijdvak; zie Dekking voor {NO_DATA}",
                  overrides=[coloured_cell("Hoogste niveau", LEVEL_MAPPINGS),
                             coloured_cell("Gegevens", FRESHNESS_MAPPINGS)]),
            table(10, "Waarnemingen op de grond", Place(0, 34, 24, 5), SIGHTINGS, overrides=[],
                  empty="Geen waarnemingen in dit tijdvak",
                  description="Wat een steward, politie of hulpverlener zag, met ruime fout, naast de klasse van de "
                              "sensor in dezelfde minuut. Verandert geen niveau."),
            band_chart(15, "Poort: stroom per meter per minuut", Place(0, 39, 12, 9), GATE_FLOW_COURSE,
                       [(*_PAIR, ORANGE)],
                       description="In en uit samen, per meter nuttige breedte, uit de klassen. De ware stroom ligt in "
                                   "95 van 100 minuten binnen de band: toeval, de opgegeven fout van de tellers en wat "
                                   "niet gezien is, zitten erin. Achtergehouden als in en uit. " + _STEP_NOTE),
            band_chart(16, "Personen per m², volgens de poorten", Place(12, 39, 12, 9), ahead.INSIDE_DENSITY_COURSE,
                       [(*_PAIR, GREEN)],
                       description="Mensen binnen volgens de poorten, gedeeld door de oppervlakte: geschat, niet "
                                   "gezien, en gelijk verdeeld gedacht. Leeg waar geen poort gezien is."),
            tiles(11, "Binnen, volgens de poorten en wat hen bijstelt", Place(0, 48, 24, 4), ahead.INSIDE_NOW,
                  mappings=[], overrides=[by_name("Leeftijd", mappings=FRESHNESS_MAPPINGS)]),
            band_chart(12, "Mensen binnen, klasse", Place(0, 52, 12, 9), ahead.INSIDE_COURSE, [(*_PAIR, BLUE)],
                       description="Poorten tellen en vergissen zich; camera's, waarnemingen en het lege uur stellen "
                                   "bij. De ware waarde ligt in 95 van 100 minuten binnen de klasse."),
            band_chart(13, "Een kwartier vooruit: meeste mensen", Place(12, 52, 12, 9), ahead.OUTLOOK_COURSE,
                       [(*_PAIR, PURPLE)],
                       description="Wat voor het kwartier tot dat moment verwacht werd: negen van tien keer binnen "
                                   "de band."),
            table(14, "Wat komt: zone, terrein en wegen", Place(0, 61, 24, 9), ahead.AHEAD, overrides=[],
                  empty="Niet te zeggen",
                  description="Negen van tien keer ligt het hoogste aantal mensen, of het aantal voertuigen, van dat "
                              "kwartier binnen de band."),
        ],
        variables=[variable("zone", "Zone", ZONE_VARIABLE), variable("gate", "Poort", GATE_VARIABLE)],
        annotations=[annotation("Meldingen", ALERT_MARKS, ORANGE)],
    )
