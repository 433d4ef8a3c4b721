-- SPDX-License-Identifier: Apache-2.0
-- Group roles without login; give them to the accounts of a deployment: GRANT drukte_reader TO grafana.
-- Roles belong to the whole server: another database may have made them. An account that may not make roles
-- leaves this out; its administrator grants by hand.
-- depends: 0001.live

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['drukte_writer', 'drukte_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name)
            AND (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
            BEGIN
                EXECUTE 'CREATE ROLE ' || quote_ident(role_name) || ' NOLOGIN';
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_reader') THEN
        GRANT USAGE ON SCHEMA live, engine TO drukte_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA live TO drukte_reader;
        GRANT SELECT ON engine.place, engine.city_version TO drukte_reader;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT USAGE ON SCHEMA live, engine TO drukte_writer;
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA live TO drukte_writer;
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA engine TO drukte_writer;
    END IF;
END
$$;
