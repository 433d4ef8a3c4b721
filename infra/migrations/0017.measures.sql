-- SPDX-License-Identifier: Apache-2.0
-- Bounds (95 of 100) of a gate's flow per metre and of a road's mean speed, percent of free flow, and the density of a
-- zone from its gates (schemas/live.py); the dashboards' functions with them.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0016.road-level

ALTER TABLE live.gate_minute
    ADD COLUMN flow_lower_per_m_min real,
    ADD COLUMN flow_upper_per_m_min real;

ALTER TABLE live.road_minute
    ADD COLUMN speed_low_km_h real,
    ADD COLUMN speed_high_km_h real,
    ADD COLUMN percent_of_free_flow real;

-- The density is null in rows of before this migration; they were all told as estimated.
ALTER TABLE live.inside_minute
    ADD COLUMN density_low_per_m2 real,
    ADD COLUMN density_high_per_m2 real,
    ADD COLUMN status smallint NOT NULL DEFAULT 3;
ALTER TABLE live.inside_minute ALTER COLUMN status DROP DEFAULT;

-- The letters of the Highway Capacity Manual.
CREATE FUNCTION live.service_level_text(service_level smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr('ABCDEF', service_level + 1, 1);

-- Every zone with gates at a moment, by the newest minute of its gates that still speaks of it.
CREATE FUNCTION live.inside_state_at(moment timestamptz)
RETURNS TABLE (
    number integer, key text, name text, inside_low integer, inside_high integer, percent_low real,
    percent_high real, density_low_per_m2 real, density_high_per_m2 real, coverage real, status smallint,
    correction text, window_end timestamptz
)
LANGUAGE sql STABLE AS $$
SELECT p.number, p.key, p.name, i.inside_low, i.inside_high, i.percent_low, i.percent_high, i.density_low_per_m2,
    i.density_high_per_m2, i.coverage, i.status, i.correction, i.window_start + i.span_s * interval '1 second'
FROM engine.place_now AS p
JOIN LATERAL (
    SELECT n.* FROM live.inside_minute AS n
    WHERE n.zone = p.number AND n.window_start <= moment AND n.window_start > moment - interval '1 hour'
        AND n.window_start + n.span_s * interval '1 second' <= moment
        AND live.speaks_until(n.window_start, n.span_s) >= moment
    ORDER BY n.window_start DESC LIMIT 1
) AS i ON true
WHERE p.kind = 'zone'
$$;

-- Every measuring site of a road at a moment, all classes of vehicles together. Null where nothing is known now.
DROP FUNCTION live.road_state_at(timestamptz);

CREATE FUNCTION live.road_state_at(moment timestamptz)
RETURNS TABLE (
    number integer, key text, name text, lon double precision, lat double precision,
    vehicles_per_minute double precision, speed_km_h real, coverage real, window_end timestamptz, is_known boolean,
    speed_low_km_h real, speed_high_km_h real, percent_of_free_flow real, flow_veh_h_lane real,
    density_low_veh_km_lane real, density_high_veh_km_lane real, service_level smallint
)
LANGUAGE sql STABLE AS $$
SELECT p.number, p.key, p.name, p.lon, p.lat, now_known.vehicles * 60 / now_known.span_s, now_known.speed_km_h,
    coalesce(now_known.coverage, 0), newest.window_start + newest.span_s * interval '1 second',
    now_known.zone IS NOT NULL, now_known.speed_low_km_h, now_known.speed_high_km_h, now_known.percent_of_free_flow,
    now_known.flow_veh_h_lane, now_known.density_low_veh_km_lane, now_known.density_high_veh_km_lane,
    now_known.service_level
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

-- The course of one gate in equal steps, as of zones. `shown` says why there is no flow to see. The flow is that of
-- both ways together, per metre of effective width and minute.
DROP FUNCTION live.gate_steps(text, timestamptz, timestamptz, interval);

CREATE FUNCTION live.gate_steps(wanted text, begins timestamptz, ends timestamptz, step interval)
RETURNS TABLE (
    at timestamptz, number integer, key text, name text, shown text,
    in_low integer, in_high integer, out_low integer, out_high integer, coverage real,
    flow_lower_per_m_min real, flow_upper_per_m_min real
)
LANGUAGE sql STABLE AS $$
WITH step AS (SELECT greatest(step, interval '1 minute') AS width),
gate AS (SELECT p.* FROM engine.place_now AS p WHERE p.kind = 'gate' AND p.key = wanted),
seen AS (
    SELECT g.gate AS number, covered.at, bool_or(g.withheld) AS withheld, bool_or(g.in_low IS NOT NULL) AS any_shown,
        max(g.in_low) AS in_low, max(g.in_high) AS in_high, max(g.out_low) AS out_low, max(g.out_high) AS out_high,
        min(g.coverage) AS coverage,
        max(g.flow_lower_per_m_min) AS flow_lower, max(g.flow_upper_per_m_min) AS flow_upper
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
    seen.in_low, seen.in_high, seen.out_low, seen.out_high, coalesce(seen.coverage, 0),
    seen.flow_lower, seen.flow_upper
FROM gate
CROSS JOIN step
CROSS JOIN LATERAL generate_series(public.time_bucket(step.width, begins), ends, step.width) AS grid(at)
LEFT JOIN seen ON seen.number = gate.number AND seen.at = grid.at
WHERE seen.number IS NOT NULL OR grid.at + step.width <= ends - interval '3 minutes'
$$;
