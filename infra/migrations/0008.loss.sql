-- SPDX-License-Identifier: Apache-2.0
-- What aged out of a topic before it was written: rows that are absent for good, and between which times.
-- depends: 0003.roles

ALTER TABLE engine.writer_offset ADD COLUMN stamped_at timestamptz;
COMMENT ON COLUMN engine.writer_offset.stamped_at IS
    'The stamp of the newest message that is written; null when it is not known.';

CREATE TABLE engine.loss (
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    messages bigint NOT NULL GENERATED ALWAYS AS (next_offset - first_offset) STORED,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    sent_after timestamptz,
    sent_before timestamptz,
    PRIMARY KEY (topic, partition, first_offset),
    CHECK (next_offset > first_offset)
);
COMMENT ON TABLE engine.loss IS
    'Messages that aged out before they were written, sent between the stamps of those before and behind them.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON engine.loss TO drukte_writer;
    END IF;
END
$$;
