-- SPDX-License-Identifier: Apache-2.0
-- What the dashboards ask, in one place: the state of zones, roads and alerts at a moment, and their course over
-- time with every gap shown. Functions, since a view cannot take the moment at which a dashboard looks.
-- They show nothing that the tables do not show; they run with the rights of the one who asks.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0002.time-bucket

-- How old a closed window may be and still speak of now: three windows, at least three minutes.
CREATE FUNCTION live.speaks_until(window_start timestamptz, span_s integer) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN window_start + span_s * interval '1 second'
    + greatest(interval '3 minutes', 3 * span_s * interval '1 second');

CREATE FUNCTION live.people_text(low integer, high integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN low = 0 THEN '<' || (high + 1) ELSE low || '–' || high END;

-- Both ends of a range with a decimal comma; one number where they read the same.
CREATE FUNCTION live.range_text(low double precision, high double precision, digits integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(
    CASE WHEN round(low::numeric, digits) = round(high::numeric, digits) THEN round(low::numeric, digits)::text
         ELSE round(low::numeric, digits) || '–' || round(high::numeric, digits) END, '.', ',');

-- The time of day, with the date where it is another day than that of the moment.
CREATE FUNCTION live.clock_text(at timestamptz, moment timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN (at AT TIME ZONE time_zone)::date = (moment AT TIME ZONE time_zone)::date
            THEN to_char(at AT TIME ZONE time_zone, 'HH24:MI')
            ELSE to_char(at AT TIME ZONE time_zone, 'DD-MM HH24:MI') END;

-- The number of a level and its word; the number keeps colours and order where a profile has other words.
CREATE FUNCTION live.level_text(level integer, level_names text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN level IS NULL THEN 'geen gegevens'
            ELSE concat_ws(' ', level, level_names[level + 1]) END;

-- Places of the newest city version: one that the city gave up is no place without data.
CREATE VIEW engine.place_now AS
SELECT place.* FROM engine.place WHERE city_version = (SELECT max(city_version) FROM engine.place);

-- Every zone with people at a moment. `level` and all that follows from the band are null where nothing is known
-- now (missing, or the last window is too old); `since` is then the end of what was known last. Where a level is
-- above 0, `since` is the begin of the run at this level or above, which missing windows do not end;
-- `since_before` says that the run is older than what was looked at (24 h).
CREATE FUNCTION live.zone_state_at(moment timestamptz)
RETURNS TABLE (
    number integer, key text, name text, site text, site_name text, lon double precision, lat double precision,
    capacity integer, level integer, level_names text[], since timestamptz, since_before boolean,
    people_low integer, people_high integer, percent_low real, percent_high real,
    density_low_per_m2 real, density_high_per_m2 real, trend smallint, coverage real,
    window_end timestamptz, attention numeric
)
LANGUAGE sql STABLE AS $$
SELECT p.number, p.key, p.name, p.site, coalesce(s.name, p.site), p.lon, p.lat, p.capacity,
    now_known.level::integer, p.level_names,
    CASE WHEN now_known.level IS NULL THEN last_known.window_end
         WHEN now_known.level > 0 THEN run.since END,
    coalesce(CASE WHEN now_known.level IS NULL THEN last_known.window_end IS NULL
                  WHEN now_known.level > 0 THEN lower.window_end IS NULL END, false),
    now_known.people_low, now_known.people_high, now_known.percent_low, now_known.percent_high,
    now_known.density_low_per_m2, now_known.density_high_per_m2, now_known.trend,
    CASE WHEN live.speaks_until(newest.window_start, newest.span_s) >= moment THEN newest.coverage ELSE 0 END,
    newest.window_start + newest.span_s * interval '1 second',
    -- A zone of which nothing is known asks for more attention than a calm one.
    coalesce(now_known.level, 0.5)
FROM engine.place_now AS p
LEFT JOIN engine.place_now AS s ON s.kind = 'site' AND s.key = p.site
LEFT JOIN LATERAL (
    SELECT z.* FROM live.zone_minute AS z
    WHERE z.zone = p.number AND z.window_start <= moment AND z.window_start > moment - interval '24 hours'
        AND z.window_start + z.span_s * interval '1 second' <= moment
    ORDER BY z.window_start DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT newest.* WHERE newest.level IS NOT NULL
        AND live.speaks_until(newest.window_start, newest.span_s) >= moment
) AS now_known ON true
LEFT JOIN LATERAL (
    SELECT z.window_start + z.span_s * interval '1 second' AS window_end FROM live.zone_minute AS z
    WHERE now_known.level IS NULL AND z.zone = p.number AND z.level IS NOT NULL
        AND z.window_start <= newest.window_start AND z.window_start > moment - interval '24 hours'
    ORDER BY z.window_start DESC LIMIT 1
) AS last_known ON true
LEFT JOIN LATERAL (
    SELECT z.window_start + z.span_s * interval '1 second' AS window_end FROM live.zone_minute AS z
    WHERE now_known.level > 0 AND z.zone = p.number AND z.level < now_known.level
        AND z.window_start < now_known.window_start AND z.window_start > moment - interval '24 hours'
    ORDER BY z.window_start DESC LIMIT 1
) AS lower ON true
LEFT JOIN LATERAL (
    SELECT z.window_start AS since FROM live.zone_minute AS z
    WHERE now_known.level > 0 AND z.zone = p.number AND z.level >= now_known.level
        AND z.window_start >= coalesce(lower.window_end, moment - interval '24 hours')
        AND z.window_start <= now_known.window_start
    ORDER BY z.window_start LIMIT 1
) AS run ON true
WHERE p.kind = 'zone' AND p.facility IS DISTINCT FROM 'road'
$$;

-- Every measuring site of a road at a moment, all classes of vehicles together. Null where nothing is known now.
CREATE FUNCTION live.road_state_at(moment timestamptz)
RETURNS TABLE (
    number integer, key text, name text, lon double precision, lat double precision,
    vehicles_per_minute double precision, speed_km_h real, coverage real, window_end timestamptz, is_known boolean
)
LANGUAGE sql STABLE AS $$
SELECT p.number, p.key, p.name, p.lon, p.lat, now_known.vehicles * 60 / now_known.span_s, now_known.speed_km_h,
    coalesce(now_known.coverage, 0), newest.window_start + newest.span_s * interval '1 second',
    now_known.zone IS NOT NULL
FROM engine.place_now AS p
LEFT JOIN LATERAL (
    SELECT r.* FROM live.road_minute AS r
    WHERE r.zone = p.number AND r.vehicle_class = 'anyVehicle'
        AND r.window_start <= moment AND r.window_start > moment - interval '24 hours'
        AND r.window_start + r.span_s * interval '1 second' <= moment
    ORDER BY r.window_start DESC LIMIT 1
) AS newest ON true
-- The source publishes up to 150 s late, so its windows speak three minutes longer.
LEFT JOIN LATERAL (
    SELECT newest.* WHERE newest.status <> 2 AND newest.vehicles IS NOT NULL
        AND live.speaks_until(newest.window_start, newest.span_s) + interval '3 minutes' >= moment
) AS now_known ON true
WHERE p.kind = 'zone' AND p.facility = 'road'
$$;

-- The alerts that were open at a moment, as they stood then.
CREATE FUNCTION live.open_alert_at(moment timestamptz)
RETURNS TABLE (
    alert_id text, site text, place text, place_name text, rule text, severity text, state text, stale boolean,
    level integer, level_names text[], people_low integer, people_high integer, percent_low real,
    percent_high real, coverage real, opened_at timestamptz, at timestamptz
)
LANGUAGE sql STABLE AS $$
SELECT a.alert_id, a.site, a.place, coalesce(p.name, a.place), a.rule, a.severity, t.state_to, t.stale,
    t.level_to::integer, p.level_names, t.people_low, t.people_high, t.percent_low, t.percent_high, t.coverage,
    t.opened_at, t.at
FROM live.alert AS a
JOIN LATERAL (
    SELECT u.* FROM live.transition AS u
    WHERE u.alert_id = a.alert_id AND u.at <= moment ORDER BY u.seq DESC LIMIT 1
) AS t ON t.state_to IN ('firing', 'recovering')
LEFT JOIN engine.place_now AS p ON p.kind = 'zone' AND p.key = a.place
WHERE a.state_to IN ('firing', 'recovering') OR a.at > moment
$$;

-- The course of zones in equal steps, a row for every step: where nothing was written, level and bands are null.
-- A step longer than a window shows its busiest window. `wanted` holds the keys of zones. Steps in the
-- last three minutes appear when their windows are there: they may still be waited for.
CREATE FUNCTION live.zone_steps(wanted text[], begins timestamptz, ends timestamptz, step interval)
RETURNS TABLE (
    at timestamptz, number integer, key text, name text, level integer, level_text text,
    people_low integer, people_high integer, percent_low real, percent_high real,
    density_low_per_m2 real, density_high_per_m2 real, coverage real, capacity integer
)
LANGUAGE sql STABLE AS $$
WITH step AS (SELECT greatest(step, interval '1 minute') AS width),
zone AS (
    SELECT p.* FROM engine.place_now AS p
    WHERE p.kind = 'zone' AND p.facility IS DISTINCT FROM 'road' AND p.key = ANY (wanted)
),
seen AS (
    SELECT z.zone AS number, covered.at,
        -- Calm is shown only where the whole step was seen; a higher level always.
        CASE WHEN max(z.level) > 0 OR bool_and(z.level IS NOT NULL) THEN max(z.level) END AS level,
        max(z.people_low) AS people_low, max(z.people_high) AS people_high,
        max(z.percent_low) AS percent_low, max(z.percent_high) AS percent_high,
        max(z.density_low_per_m2) AS density_low, max(z.density_high_per_m2) AS density_high,
        min(z.coverage) AS coverage
    FROM live.zone_minute AS z
    JOIN zone ON zone.number = z.zone
    CROSS JOIN step
    CROSS JOIN LATERAL generate_series(
        public.time_bucket(step.width, z.window_start),
        z.window_start + z.span_s * interval '1 second' - interval '1 microsecond', step.width
    ) AS covered(at)
    WHERE z.window_start > begins - interval '1 hour' AND z.window_start <= ends
    GROUP BY z.zone, covered.at
)
SELECT grid.at, zone.number, zone.key, zone.name, seen.level::integer,
    live.level_text(seen.level::integer, zone.level_names), seen.people_low, seen.people_high,
    seen.percent_low, seen.percent_high, seen.density_low, seen.density_high, coalesce(seen.coverage, 0),
    zone.capacity
FROM zone
CROSS JOIN step
CROSS JOIN LATERAL generate_series(public.time_bucket(step.width, begins), ends, step.width) AS grid(at)
LEFT JOIN seen ON seen.number = zone.number AND seen.at = grid.at
WHERE seen.number IS NOT NULL OR grid.at + step.width <= ends - interval '3 minutes'
$$;

-- The course of one gate in equal steps, as of zones. `shown` says why there is no flow to see.
CREATE FUNCTION live.gate_steps(wanted text, begins timestamptz, ends timestamptz, step interval)
RETURNS TABLE (
    at timestamptz, number integer, key text, name text, shown text,
    in_low integer, in_high integer, out_low integer, out_high integer, coverage real
)
LANGUAGE sql STABLE AS $$
WITH step AS (SELECT greatest(step, interval '1 minute') AS width),
gate AS (SELECT p.* FROM engine.place_now AS p WHERE p.kind = 'gate' AND p.key = wanted),
seen AS (
    SELECT g.gate AS number, covered.at, bool_or(g.withheld) AS withheld, bool_or(g.in_low IS NOT NULL) AS any_shown,
        max(g.in_low) AS in_low, max(g.in_high) AS in_high, max(g.out_low) AS out_low, max(g.out_high) AS out_high,
        min(g.coverage) AS coverage
    FROM live.gate_minute AS g
    JOIN gate ON gate.number = g.gate
    CROSS JOIN step
    CROSS JOIN LATERAL generate_series(
        public.time_bucket(step.width, g.window_start),
        g.window_start + g.span_s * interval '1 second' - interval '1 microsecond', step.width
    ) AS covered(at)
    WHERE g.window_start > begins - interval '1 hour' AND g.window_start <= ends
    GROUP BY g.gate, covered.at
)
SELECT grid.at, gate.number, gate.key, gate.name,
    CASE WHEN seen.withheld AND seen.any_shown THEN 'deels achtergehouden'
         WHEN seen.withheld THEN 'achtergehouden'
         WHEN seen.any_shown THEN 'getoond'
         ELSE 'geen gegevens' END,
    seen.in_low, seen.in_high, seen.out_low, seen.out_high, coalesce(seen.coverage, 0)
FROM gate
CROSS JOIN step
CROSS JOIN LATERAL generate_series(public.time_bucket(step.width, begins), ends, step.width) AS grid(at)
LEFT JOIN seen ON seen.number = gate.number AND seen.at = grid.at
WHERE seen.number IS NOT NULL OR grid.at + step.width <= ends - interval '3 minutes'
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON engine.place_now TO drukte_reader;
    END IF;
END
$$;
