-- SPDX-License-Identifier: Apache-2.0
-- What was told to whom: one row for each transition and receiver (schemas/delivery.py). Kept as long as alerts.
-- depends: 0003.roles

CREATE TABLE live.delivery (
    receiver text NOT NULL,
    site text NOT NULL,
    alert_id text NOT NULL,
    seq integer NOT NULL,
    outcome text NOT NULL,
    attempts integer NOT NULL,
    first_try_at timestamptz,
    done_at timestamptz NOT NULL,
    http_status integer,
    PRIMARY KEY (receiver, alert_id, seq)
);

CREATE INDEX delivery_done_at ON live.delivery (done_at DESC);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.delivery TO drukte_reader;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.delivery TO drukte_writer;
    END IF;
END
$$;
