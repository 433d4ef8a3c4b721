# SPDX-License-Identifier: Apache-2.0
"""SQL about people inside and what is ahead, for the zone dashboard: ranges from low to high, never a midpoint."""

# ruff: noqa: S608  The queries are put together from constants of this package; nothing comes from outside.
from dashboards import wording
from dashboards.look import NO_DATA
from dashboards.wording import MOMENT

FRESH = "interval '20 minutes'"
"""An outlook is told anew every quarter of an hour; an older one says nothing about now."""

_NUMBER = "SELECT number FROM engine.place_now WHERE kind = 'zone' AND key = '$zone'"

INSIDE_COURSE = f"""
SELECT i.window_start AS time, i.inside_low AS "ten minste", i.inside_high AS "ten hoogste"
FROM live.inside_minute AS i
WHERE i.zone = ({_NUMBER}) AND i.window_start BETWEEN $__timeFrom()::timestamptz AND $__timeTo()::timestamptz
ORDER BY i.window_start"""

OUTLOOK_COURSE = f"""
SELECT at AS time, people_low AS "ten minste", people_high AS "ten hoogste"
FROM (
    SELECT o.window_start + o.span_s * interval '1 second' + o.ahead_min * interval '1 minute' AS at,
        o.low AS people_low, o.high AS people_high
    FROM live.outlook_quarter AS o
    WHERE o.kind = 'zone' AND o.place = ({_NUMBER}) AND o.ahead_min = 15
        AND o.window_start BETWEEN $__timeFrom()::timestamptz - interval '1 hour' AND $__timeTo()::timestamptz
) AS ahead
ORDER BY at"""

INSIDE_DENSITY_COURSE = f"""
SELECT i.window_start AS time, i.density_low_per_m2 AS "ten minste", i.density_high_per_m2 AS "ten hoogste"
FROM live.inside_minute AS i
WHERE i.zone = ({_NUMBER}) AND i.window_start BETWEEN $__timeFrom()::timestamptz AND $__timeTo()::timestamptz
ORDER BY i.window_start"""

INSIDE_NOW = f"""
SELECT coalesce(live.range_text(i.percent_low, i.percent_high, 0) || ' %', '–') AS "Van het toegestane",
    coalesce(live.people_text(i.inside_low, i.inside_high), '–') AS "Binnen",
    coalesce(live.range_text(i.density_low_per_m2, i.density_high_per_m2, 2), '{NO_DATA}')
        AS "Personen per m², volgens de poorten",
    floor(i.coverage * 100 + 0.0001)::integer || ' %' AS "Poorten gezien",
    coalesce(CASE i.correction WHEN 'area-sensor' THEN 'naar camera' WHEN 'devices' THEN 'naar apparaten'
        WHEN 'empty-hour' THEN 'leeg volgens het uur' WHEN 'sighting' THEN 'naar waarneming'
        WHEN 'zone-empty' THEN 'leeg gemeld' WHEN 'set-occupancy' THEN 'aantal opgegeven'
        WHEN 'not-negative' THEN 'niet onder nul' WHEN 'sum-of-zones' THEN 'naar de zones samen'
        WHEN 'swapped-gate' THEN 'poort telde andersom' ELSE i.correction END, '–') AS "Bijgesteld",
    {wording.age("i.window_end")} AS "Leeftijd"
FROM live.inside_state_at({MOMENT}) AS i WHERE i.key = '$zone'"""

AHEAD = f"""
WITH place AS (
    SELECT p.kind, p.number, p.name, 0 AS rank FROM engine.place_now AS p WHERE p.kind = 'zone' AND p.key = '$zone'
    UNION ALL
    SELECT s.kind, s.number, s.name, 1 FROM engine.place_now AS z
    JOIN engine.place_now AS s ON s.kind = 'site' AND s.key = z.site WHERE z.kind = 'zone' AND z.key = '$zone'
    UNION ALL
    SELECT 'road', r.number, r.name, 2 FROM engine.place_now AS z
    JOIN engine.place_now AS r ON r.kind = 'zone' AND r.facility = 'road' AND r.site = z.site
    WHERE z.kind = 'zone' AND z.key = '$zone'
)
SELECT place.name AS "Plaats",
    CASE place.kind WHEN 'zone' THEN 'zone' WHEN 'site' THEN 'terrein' ELSE 'weg, voertuigen' END AS "Wat",
    'over ' || o.ahead_min || ' min' AS "Wanneer",
    {wording.clock("o.window_start + o.span_s * interval '1 second' + o.ahead_min * interval '1 minute'")} AS "Tot",
    live.people_text(o.low, o.high) AS "Ten minste en ten hoogste",
    coalesce(round(o.percent_reach) || ' %', '–') AS "Kans op het volgende niveau"
FROM place
JOIN LATERAL (
    SELECT max(n.window_start) AS newest FROM live.outlook_quarter AS n
    WHERE n.kind = place.kind AND n.place = place.number
        AND n.window_start BETWEEN {MOMENT} - {FRESH} - interval '15 minutes' AND {MOMENT}
) AS latest ON true
JOIN live.outlook_quarter AS o ON o.kind = place.kind AND o.place = place.number AND o.window_start = latest.newest
ORDER BY place.rank, place.name, o.ahead_min LIMIT 200"""
