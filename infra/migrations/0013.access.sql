-- SPDX-License-Identifier: Apache-2.0
-- Who looked inside (schemas/access.py): a line for each sensor traced and each dead letter opened or redone. Kept two
-- years; written once, and deletable only when it is older than that.
-- depends: 0006.research

CREATE TABLE privacy.access (
    id text PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    looked text NOT NULL,
    subject text NOT NULL
);
COMMENT ON TABLE privacy.access IS
    'Who looked at what: role or account, and the key of a sensor or id of a letter; never a value, a body or a count.';

CREATE INDEX access_at ON privacy.access (at DESC);

CREATE TRIGGER written_once BEFORE UPDATE ON privacy.access
    FOR EACH ROW EXECUTE FUNCTION privacy.refuse_change();

CREATE TRIGGER kept_two_years BEFORE DELETE ON privacy.access
    FOR EACH ROW WHEN (OLD.at > now() - interval '2 years') EXECUTE FUNCTION privacy.refuse_change();

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON privacy.access
    FOR EACH STATEMENT EXECUTE FUNCTION privacy.refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_officer') THEN
        GRANT SELECT ON privacy.access TO drukte_officer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT SELECT, INSERT ON privacy.access TO drukte_writer;
    END IF;
END
$$;
