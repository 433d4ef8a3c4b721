-- SPDX-License-Identifier: Apache-2.0
-- The live tier: protected windows and alerts (schemas/live.py, schemas/alert.py), and what the writer keeps
-- of its own. Where the TimescaleDB extension is in this database the minute tables are hypertables with 6 h
-- chunks, since only whole chunks are dropped and these rows may stay 72 h; elsewhere they are plain tables.
-- No percent sign may stand in a migration: the driver would take it for a parameter.

CREATE SCHEMA live;

CREATE SCHEMA engine;

CREATE TABLE live.zone_minute (
    zone integer NOT NULL,
    window_start timestamptz NOT NULL,
    span_s integer NOT NULL,
    people_low integer,
    people_high integer,
    percent_low real,
    percent_high real,
    density_low_per_m2 real,
    density_high_per_m2 real,
    level smallint,
    trend smallint,
    coverage real NOT NULL,
    status smallint NOT NULL,
    PRIMARY KEY (zone, window_start)
);

CREATE TABLE live.gate_minute (
    gate integer NOT NULL,
    window_start timestamptz NOT NULL,
    span_s integer NOT NULL,
    in_low integer,
    in_high integer,
    out_low integer,
    out_high integer,
    flow_low_per_m_min real,
    flow_high_per_m_min real,
    withheld boolean NOT NULL,
    coverage real NOT NULL,
    status smallint NOT NULL,
    PRIMARY KEY (gate, window_start)
);

CREATE TABLE live.road_minute (
    zone integer NOT NULL,
    vehicle_class text NOT NULL,
    window_start timestamptz NOT NULL,
    span_s integer NOT NULL,
    vehicles double precision,
    speed_km_h real,
    coverage real NOT NULL,
    speed_coverage real NOT NULL,
    status smallint NOT NULL,
    revision integer NOT NULL,
    PRIMARY KEY (zone, vehicle_class, window_start)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            minute_table, by_range('window_start', interval '6 hours'), create_default_indexes => false
        ) FROM unnest('{live.zone_minute,live.gate_minute,live.road_minute}'::regclass[]) AS minute_table;
    END IF;
END
$$;

-- The map and the wall ask for "now" over all places.
CREATE INDEX zone_minute_window_start ON live.zone_minute (window_start DESC);

CREATE INDEX gate_minute_window_start ON live.gate_minute (window_start DESC);

CREATE INDEX road_minute_window_start ON live.road_minute (window_start DESC);

CREATE TABLE live.transition (
    alert_id text NOT NULL,
    seq integer NOT NULL,
    site text NOT NULL,
    place text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    measure text NOT NULL,
    unit text NOT NULL,
    level_from smallint NOT NULL,
    level_to smallint NOT NULL,
    state_from text NOT NULL,
    state_to text NOT NULL,
    stale boolean NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    people_low integer,
    people_high integer,
    percent_low real,
    percent_high real,
    coverage real NOT NULL,
    profile text NOT NULL,
    city_version integer NOT NULL,
    cause text NOT NULL,
    opened_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (alert_id, seq)
);

CREATE INDEX transition_at ON live.transition (at DESC);

-- The transition with the highest seq of each alert: what is so now.
CREATE TABLE live.alert (
    LIKE live.transition INCLUDING DEFAULTS,
    PRIMARY KEY (alert_id)
);

CREATE INDEX alert_at ON live.alert (at DESC);

-- Where the writer goes on reading; moves in the transaction that holds the rows.
CREATE TABLE engine.writer_offset (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE engine.city_version (
    version integer NOT NULL,
    sha256 text NOT NULL,
    city text NOT NULL,
    name text NOT NULL,
    timezone text NOT NULL,
    first_written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, sha256)
);

-- What a number of the live tables stands for. A road's measuring site is a zone with facility 'road'.
CREATE TABLE engine.place (
    kind text NOT NULL,
    number integer NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    site text NOT NULL,
    facility text,
    area_m2 double precision,
    capacity integer,
    width_m double precision,
    lon double precision,
    lat double precision,
    level_names text[],
    city_version integer NOT NULL,
    PRIMARY KEY (kind, number)
);
