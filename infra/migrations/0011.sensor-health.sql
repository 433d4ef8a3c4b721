-- SPDX-License-Identifier: Apache-2.0
-- How well sensors do (schemas/health.py): states for 72 h, daily shares, refusals and integrity events for two years,
-- and the vendor scorecard over them. No counts of people: shares, and numbers of readings.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0003.roles

CREATE TABLE live.sensor_health (
    sensor integer NOT NULL,
    at timestamptz NOT NULL,
    state smallint NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (sensor, at)
);
COMMENT ON COLUMN live.sensor_health.state IS
    '0 fresh, 1 late, 2 clock ahead, 3 jumped, 4 unheard, 5 silent, 6 out of service, 7 stuck, 8 faulty';

CREATE INDEX sensor_health_at ON live.sensor_health (at DESC);

CREATE TABLE engine.sensor (
    number integer PRIMARY KEY,
    key text NOT NULL,
    source text NOT NULL,
    supplier text NOT NULL,
    city_version integer NOT NULL
);
CREATE INDEX sensor_key ON engine.sensor (key);

CREATE TABLE engine.sensor_day (
    sensor integer NOT NULL,
    day timestamptz NOT NULL,
    available_share real NOT NULL,
    late_share real NOT NULL,
    corrected_share real NOT NULL,
    missed_share real NOT NULL,
    unusable_share real NOT NULL,
    uptime_share real,
    PRIMARY KEY (sensor, day)
);

CREATE TABLE engine.refusal_day (
    source text NOT NULL,
    reason text NOT NULL,
    sensor text NOT NULL,
    day date NOT NULL,
    readings bigint NOT NULL,
    PRIMARY KEY (source, reason, sensor, day)
);
COMMENT ON TABLE engine.refusal_day IS
    'Values (or messages) refused, of UTC days; sensor is empty where the refusal names no known sensor.';

CREATE TABLE engine.integrity (
    sensor text NOT NULL,
    kind text NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    readings bigint NOT NULL,
    sure text NOT NULL,
    PRIMARY KEY (sensor, kind, from_at)
);

CREATE INDEX integrity_until ON engine.integrity (until_at DESC);

CREATE VIEW engine.scorecard AS
WITH days AS (
    SELECT s.supplier, date_trunc('month', d.day, 'UTC') AS month, count(DISTINCT d.sensor) AS sensors,
        avg(d.available_share) AS available_share, avg(d.uptime_share) AS uptime_share, avg(d.late_share) AS late_share,
        avg(d.corrected_share) AS corrected_share, avg(d.missed_share) AS missed_share,
        avg(d.unusable_share) AS unusable_share
    FROM engine.sensor_day d JOIN engine.sensor s ON s.number = d.sensor
    GROUP BY s.supplier, date_trunc('month', d.day, 'UTC')
), refusals AS (
    SELECT coalesce(s.supplier, o.supplier) AS supplier,
        date_trunc('month', r.day::timestamp AT TIME ZONE 'UTC', 'UTC') AS month, sum(r.readings) AS refused
    FROM engine.refusal_day r
    LEFT JOIN engine.sensor s ON s.key = r.sensor
    -- A refusal without a sensor falls on the supplier of its source, where that is only one.
    LEFT JOIN (
        SELECT source, min(supplier) AS supplier FROM engine.sensor GROUP BY source HAVING count(DISTINCT supplier) = 1
    ) o ON o.source = r.source
    GROUP BY 1, 2
)
SELECT coalesce(days.supplier, refusals.supplier) AS supplier, coalesce(days.month, refusals.month) AS month,
    coalesce(sensors, 0) AS sensors, available_share, uptime_share, late_share, corrected_share, missed_share,
    unusable_share, coalesce(refused, 0) AS refused
FROM days FULL JOIN refusals ON days.supplier = refusals.supplier AND days.month = refusals.month
WHERE coalesce(days.supplier, refusals.supplier) IS NOT NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.sensor_health, engine.sensor, engine.sensor_day, engine.refusal_day, engine.integrity,
            engine.scorecard TO drukte_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.sensor_health, engine.sensor, engine.sensor_day, engine.refusal_day,
            engine.integrity TO drukte_writer;
        GRANT SELECT ON engine.scorecard TO drukte_writer;
        -- A purge takes a sensor's place out of the live tier.
        GRANT DELETE ON live.zone_minute, live.gate_minute, live.road_minute TO drukte_writer;
    END IF;
END
$$;
