-- SPDX-License-Identifier: Apache-2.0
-- On PostgreSQL without TimescaleDB: time_bucket for intervals up to weeks, equal to the real one. For months and
-- years use date_trunc on both. Never use the form with a time zone for less than a day.
-- depends: 0001.live

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        CREATE FUNCTION public.time_bucket(interval, timestamptz) RETURNS timestamptz
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN date_bin($1, $2, timestamptz '2000-01-03 00:00:00+00');

        CREATE FUNCTION public.time_bucket(interval, timestamptz, text) RETURNS timestamptz
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN date_bin($1, $2 AT TIME ZONE $3, timestamp '2000-01-03') AT TIME ZONE $3;
    END IF;
END
$$;
