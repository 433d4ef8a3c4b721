-- SPDX-License-Identifier: Apache-2.0
-- Road works, closures, events and incidents beside roads and zones (schemas/context.py): public, about no person.
-- A few hundred rows, so a plain table; a record that is over goes after 72 h as the rows of the live tier do.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0003.roles

CREATE TABLE live.context (
    source text NOT NULL,
    record text NOT NULL,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    kind text NOT NULL,
    what text NOT NULL,
    place jsonb NOT NULL,
    lon double precision,
    lat double precision,
    begins_at timestamptz NOT NULL,
    ends_at timestamptz,
    ended boolean NOT NULL,
    PRIMARY KEY (source, record)
);
COMMENT ON TABLE live.context IS
    'The newest version of each record near a site. place: parts of points, each longitude and latitude in WGS 84.';
COMMENT ON COLUMN live.context.ended IS 'Ended, cancelled or suspended before its time, at changed_at.';

CREATE INDEX context_begins_at ON live.context (begins_at);

-- What holds at some time between two, for marks over a time axis.
CREATE FUNCTION live.context_between(begins timestamptz, ends timestamptz)
RETURNS TABLE (source text, record text, kind text, what text, lon double precision, lat double precision,
    begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT source, record, kind, what, lon, lat, begins_at, over_at
    FROM (
        SELECT *, CASE WHEN ended THEN least(changed_at, ends_at) ELSE ends_at END AS over_at FROM live.context
    ) AS told
    WHERE begins_at < ends AND (over_at IS NULL OR (over_at > begins AND over_at > begins_at))
    ORDER BY begins_at, source, record
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.context TO drukte_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.context TO drukte_writer;
    END IF;
END
$$;
