-- SPDX-License-Identifier: Apache-2.0
-- Alerts with their flags and reasons (schemas/alert.py), what became of operators' commands (schemas/command.py), and
-- operators' notes (schemas/note.py). Rows from before have the flags unset.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0005.dashboard-views 0013.access

ALTER TABLE live.transition
    ADD COLUMN acknowledged boolean NOT NULL DEFAULT false,
    ADD COLUMN escalated boolean NOT NULL DEFAULT false,
    ADD COLUMN suppressed boolean NOT NULL DEFAULT false,
    ADD COLUMN exercise boolean NOT NULL DEFAULT false,
    ADD COLUMN low real,
    ADD COLUMN high real,
    ADD COLUMN "limit" real,
    ADD COLUMN trend smallint,
    ADD COLUMN next_low_min real,
    ADD COLUMN next_high_min real,
    ADD COLUMN reached integer NOT NULL DEFAULT 0,
    ADD COLUMN method integer NOT NULL DEFAULT 1,
    ADD COLUMN assigned text NOT NULL DEFAULT '',
    ADD COLUMN command_id text NOT NULL DEFAULT '',
    ADD COLUMN actor text NOT NULL DEFAULT '',
    ADD COLUMN note_id text NOT NULL DEFAULT '';
COMMENT ON COLUMN live.transition.actor IS 'A role, never a name.';
COMMENT ON COLUMN live.transition.low IS 'With high: the range of what the rule looks at, in unit; about people from bands.';

ALTER TABLE live.alert
    ADD COLUMN acknowledged boolean NOT NULL DEFAULT false,
    ADD COLUMN escalated boolean NOT NULL DEFAULT false,
    ADD COLUMN suppressed boolean NOT NULL DEFAULT false,
    ADD COLUMN exercise boolean NOT NULL DEFAULT false,
    ADD COLUMN low real,
    ADD COLUMN high real,
    ADD COLUMN "limit" real,
    ADD COLUMN trend smallint,
    ADD COLUMN next_low_min real,
    ADD COLUMN next_high_min real,
    ADD COLUMN reached integer NOT NULL DEFAULT 0,
    ADD COLUMN method integer NOT NULL DEFAULT 1,
    ADD COLUMN assigned text NOT NULL DEFAULT '',
    ADD COLUMN command_id text NOT NULL DEFAULT '',
    ADD COLUMN actor text NOT NULL DEFAULT '',
    ADD COLUMN note_id text NOT NULL DEFAULT '';

-- A command about a whole rule is folded in every partition, each of which answers.
CREATE TABLE live.command_outcome (
    command_id text NOT NULL,
    partition integer NOT NULL,
    command text NOT NULL,
    done text NOT NULL,
    reason text NOT NULL,
    alert_id text NOT NULL,
    seq integer NOT NULL,
    site text NOT NULL,
    role text NOT NULL,
    at timestamptz NOT NULL,
    place text NOT NULL DEFAULT '',
    measure text NOT NULL DEFAULT '',
    PRIMARY KEY (command_id, partition)
);
COMMENT ON TABLE live.command_outcome IS
    'What became of each command, in the partition of the log that folded it; by role, without free text.';

CREATE INDEX command_outcome_at ON live.command_outcome (at DESC);

CREATE INDEX command_outcome_alert ON live.command_outcome (alert_id) WHERE alert_id <> '';

CREATE TABLE live.note (
    id text PRIMARY KEY,
    site text NOT NULL,
    role text NOT NULL,
    at timestamptz NOT NULL,
    alert_id text NOT NULL,
    text text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE live.note IS
    'Free text of operators, which may name people: kept 7 days, read by drukte_operations alone.';

CREATE INDEX note_at ON live.note (at DESC);

DROP FUNCTION live.open_alert_at(timestamptz);

-- The alerts that were open at a moment, as they stood then; a gate and a site of a road by their names too.
CREATE FUNCTION live.open_alert_at(moment timestamptz)
RETURNS TABLE (
    alert_id text, site text, place text, place_name text, rule text, severity text, state text, stale boolean,
    level integer, level_names text[], people_low integer, people_high integer, percent_low real,
    percent_high real, coverage real, opened_at timestamptz, at timestamptz, acknowledged boolean,
    escalated boolean, suppressed boolean, exercise boolean, assigned text, trend integer, next_low_min real,
    next_high_min real
)
LANGUAGE sql STABLE AS $$
SELECT a.alert_id, a.site, a.place, coalesce(p.name, a.place), a.rule, a.severity, t.state_to, t.stale,
    t.level_to::integer, p.level_names, t.people_low, t.people_high, t.percent_low, t.percent_high, t.coverage,
    t.opened_at, t.at, t.acknowledged, t.escalated, t.suppressed, t.exercise, t.assigned, t.trend::integer,
    t.next_low_min, t.next_high_min
FROM live.alert AS a
JOIN LATERAL (
    SELECT u.* FROM live.transition AS u
    WHERE u.alert_id = a.alert_id AND u.at <= moment ORDER BY u.seq DESC LIMIT 1
) AS t ON t.state_to IN ('firing', 'recovering')
LEFT JOIN LATERAL (
    SELECT found.name, found.level_names FROM engine.place_now AS found
    WHERE found.key = a.place AND found.kind IN ('zone', 'gate') ORDER BY found.kind DESC LIMIT 1
) AS p ON true
WHERE a.state_to IN ('firing', 'recovering') OR a.at > moment
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_operations')
        AND (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
        BEGIN
            CREATE ROLE drukte_operations NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_operations') THEN
        GRANT USAGE ON SCHEMA live TO drukte_operations;
        GRANT SELECT ON live.note TO drukte_operations;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT SELECT ON live.command_outcome TO drukte_reader;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON live.command_outcome TO drukte_writer;
        GRANT SELECT, INSERT ON live.note TO drukte_writer;
    END IF;
END
$$;
