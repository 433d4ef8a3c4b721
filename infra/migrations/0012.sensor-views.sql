-- SPDX-License-Identifier: Apache-2.0
-- What the dashboards ask about sensors: which state each has at a moment, and which readings looked odd of late.
-- Functions as those of 0005: they show nothing that the tables do not show, with the rights of the one who asks.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0005.dashboard-views 0011.sensor-health

-- Where a sensor stands; null until a writer of this version has written the city.
ALTER TABLE engine.sensor ADD COLUMN place_kind text, ADD COLUMN place text;
COMMENT ON COLUMN engine.sensor.place IS 'Key of its zone, gate or road in engine.place, of kind place_kind.';

CREATE FUNCTION live.sensor_state_text(state integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state
    WHEN 0 THEN 'in orde' WHEN 1 THEN 'meldt te laat' WHEN 2 THEN 'klok loopt voor' WHEN 3 THEN 'maakte een sprong'
    WHEN 4 THEN 'nog niet gehoord' WHEN 5 THEN 'stil' WHEN 6 THEN 'buiten dienst' WHEN 7 THEN 'vastgelopen'
    WHEN 8 THEN 'defect' ELSE 'geen gegevens' END;

CREATE FUNCTION live.integrity_text(kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
    WHEN 'wrong-source' THEN 'kwam van een andere bron' WHEN 'semantics' THEN 'telt over andere tijdvakken'
    WHEN 'too-old' THEN 'veel te oude metingen' WHEN 'replay' THEN 'oude metingen opnieuw' ELSE kind END;

-- Every sensor of the newest city version at a moment. All states are told every hour, so one that is older than
-- 70 minutes says nothing about now: `state` is then null, and `since` when it was told last (null: over a day ago).
CREATE FUNCTION live.sensor_state_at(moment timestamptz)
RETURNS TABLE (
    number integer, key text, supplier text, place text, place_name text, is_road boolean, state integer,
    since timestamptz, told_at timestamptz
)
LANGUAGE sql STABLE AS $$
SELECT s.number, s.key, s.supplier, s.place, coalesce(p.name, s.place), coalesce(p.facility = 'road', false),
    now_known.state::integer, coalesce(now_known.since, newest.at), newest.at
FROM engine.sensor AS s
LEFT JOIN engine.place_now AS p ON p.kind = s.place_kind AND p.key = s.place
LEFT JOIN LATERAL (
    SELECT h.* FROM live.sensor_health AS h
    WHERE h.sensor = s.number AND h.at <= moment AND h.at > moment - interval '24 hours'
    ORDER BY h.at DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT newest.state, newest.since WHERE newest.at > moment - interval '70 minutes'
) AS now_known ON true
WHERE s.city_version = (SELECT max(city_version) FROM engine.sensor)
$$;

-- Likely and sure integrity events of the day before a moment, those of a sensor and kind together.
CREATE FUNCTION live.integrity_at(moment timestamptz)
RETURNS TABLE (
    key text, supplier text, place text, place_name text, kind text, from_at timestamptz, until_at timestamptz,
    is_sure boolean
)
LANGUAGE sql STABLE AS $$
SELECT i.sensor, s.supplier, s.place, coalesce(p.name, s.place), i.kind, min(i.from_at), max(i.until_at),
    bool_or(i.sure = 'sure')
FROM engine.integrity AS i
LEFT JOIN LATERAL (
    SELECT one.* FROM engine.sensor AS one WHERE one.key = i.sensor ORDER BY one.city_version DESC LIMIT 1
) AS s ON true
LEFT JOIN engine.place_now AS p ON p.kind = s.place_kind AND p.key = s.place
-- Refused readings are noted by quarters, of which the newest may still run.
WHERE i.sure IN ('likely', 'sure') AND i.from_at <= moment AND i.until_at > moment - interval '24 hours'
GROUP BY i.sensor, s.supplier, s.place, p.name, i.kind
$$;
