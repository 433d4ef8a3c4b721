-- SPDX-License-Identifier: Apache-2.0
-- What people on the ground say of zones, beside the sensors' bands (schemas/sighting.py): bands only. A few rows a
-- day, so a plain table; rows stay 72 h as those of the live tier.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0003.roles

CREATE TABLE live.sighting (
    zone text NOT NULL,
    at timestamptz NOT NULL,
    role text NOT NULL,
    site text NOT NULL,
    said text NOT NULL,
    people_low integer NOT NULL,
    people_high integer,
    sensor_low integer,
    sensor_high integer,
    disagreement text NOT NULL,
    window_start timestamptz NOT NULL,
    revision integer NOT NULL,
    PRIMARY KEY (zone, at, role)
);
COMMENT ON TABLE live.sighting IS
    'Ranges in people at band edges, with the sensor band of the same window; nobody is named.';

CREATE INDEX sighting_at ON live.sighting (at DESC);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.sighting TO drukte_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.sighting TO drukte_writer;
    END IF;
END
$$;
