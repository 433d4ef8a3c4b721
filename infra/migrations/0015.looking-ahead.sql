-- SPDX-License-Identifier: Apache-2.0
-- People inside zones by their gates, and what is ahead of a place (schemas/live.py); kept as the other live windows,
-- so in chunks too where the TimescaleDB extension is.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0003.roles

CREATE TABLE live.inside_minute (
    zone integer NOT NULL,
    window_start timestamptz NOT NULL,
    span_s integer NOT NULL,
    inside_low integer NOT NULL,
    inside_high integer NOT NULL,
    percent_low real,
    percent_high real,
    coverage real NOT NULL,
    correction text,
    version bigint NOT NULL,
    PRIMARY KEY (zone, window_start)
);

CREATE TABLE live.outlook_quarter (
    kind text NOT NULL,
    place integer NOT NULL,
    window_start timestamptz NOT NULL,
    span_s integer NOT NULL,
    ahead_min integer NOT NULL,
    low integer NOT NULL,
    middle integer NOT NULL,
    high integer NOT NULL,
    percent_reach real,
    PRIMARY KEY (kind, place, window_start, ahead_min)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            live_table, by_range('window_start', interval '6 hours'), create_default_indexes => false
        ) FROM unnest('{live.inside_minute,live.outlook_quarter}'::regclass[]) AS live_table;
    END IF;
END
$$;

CREATE INDEX inside_minute_window_start ON live.inside_minute (window_start DESC);

CREATE INDEX outlook_quarter_window_start ON live.outlook_quarter (window_start DESC);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.inside_minute, live.outlook_quarter TO drukte_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.inside_minute, live.outlook_quarter TO drukte_writer;
    END IF;
END
$$;
