-- SPDX-License-Identifier: Apache-2.0
-- The research tier: cells with noise that is drawn once (streams/writer/release.py), their sums over hours and
-- days, and the ledger of what was released. No exact value about people stands in any of them.
-- No percent sign may stand in a migration: the driver would take it for a parameter.
-- depends: 0003.roles

CREATE SCHEMA research;

CREATE SCHEMA privacy;

-- One cell. value is null exactly where status is O (missing); about people it is a signed whole number.
CREATE TABLE research.cell (
    kind text NOT NULL CHECK (kind IN ('zone', 'gate', 'road')),
    place integer NOT NULL,
    vehicle_class text NOT NULL,
    metric text NOT NULL,
    start timestamptz NOT NULL,
    grain_s integer NOT NULL CHECK (grain_s IN (900, 3600, 21600)),
    value double precision,
    weight double precision NOT NULL,
    coverage real NOT NULL,
    status text NOT NULL CHECK (status IN ('A', 'B', 'O')),
    sd double precision,
    public_source boolean NOT NULL,
    policy_version text NOT NULL,
    batch text NOT NULL,
    zone_map text NOT NULL,
    CHECK ((value IS NULL) = (status = 'O')),
    CHECK ((value IS NULL) = (sd IS NULL)),
    CHECK (public_source OR value = trunc(value)),
    PRIMARY KEY (kind, place, vehicle_class, metric, start)
);

-- Sums of published cells: total of value (of speed: of value times weight, so that total / weight is the mean).
-- numeric, so that a sum does not hang on the order of its parts. Without a published cell there is no row.
CREATE TABLE research.hour (
    kind text NOT NULL,
    place integer NOT NULL,
    vehicle_class text NOT NULL,
    metric text NOT NULL,
    start timestamptz NOT NULL,
    total numeric NOT NULL,
    weight numeric NOT NULL,
    covered_s numeric NOT NULL,
    coverage double precision GENERATED ALWAYS AS (covered_s / 3600) STORED,
    variance numeric NOT NULL,
    sd double precision GENERATED ALWAYS AS (sqrt(variance)) STORED,
    n_cells integer NOT NULL,
    public_source boolean NOT NULL,
    PRIMARY KEY (kind, place, vehicle_class, metric, start)
);

-- A day is a UTC day: a cell of six hours cannot be cut at local midnight.
CREATE TABLE research.day (
    kind text NOT NULL,
    place integer NOT NULL,
    vehicle_class text NOT NULL,
    metric text NOT NULL,
    start timestamptz NOT NULL,
    total numeric NOT NULL,
    weight numeric NOT NULL,
    covered_s numeric NOT NULL,
    coverage double precision GENERATED ALWAYS AS (covered_s / 86400) STORED,
    variance numeric NOT NULL,
    sd double precision GENERATED ALWAYS AS (sqrt(variance)) STORED,
    n_cells integer NOT NULL,
    public_source boolean NOT NULL,
    PRIMARY KEY (kind, place, vehicle_class, metric, start)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            'research.cell', by_range('start', interval '30 days'), create_default_indexes => false
        );
    END IF;
END
$$;

CREATE INDEX cell_start ON research.cell (start DESC);

CREATE INDEX hour_start ON research.hour (start DESC);

CREATE INDEX day_start ON research.day (start DESC);

-- One row for each batch that was released; each row holds the hash of the one before it in its partition.
CREATE TABLE privacy.ledger (
    batch_key text PRIMARY KEY,
    partition integer NOT NULL,
    link bigint NOT NULL,
    target text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    zone_map text NOT NULL,
    metric text NOT NULL,
    unit text NOT NULL,
    mechanism text NOT NULL,
    sigma double precision NOT NULL,
    sensitivity double precision NOT NULL,
    rho double precision NOT NULL,
    cells integer NOT NULL,
    sealed_at timestamptz NOT NULL,
    released_at timestamptz NOT NULL,
    policy_version text NOT NULL,
    policy_hash text NOT NULL,
    code_hash text NOT NULL,
    previous_hash text NOT NULL,
    row_hash text NOT NULL,
    UNIQUE (partition, link)
);

-- The end of each partition's chain; whoever adds a link holds its row. announced_link: the topic has all up to it.
CREATE TABLE privacy.chain (
    partition integer PRIMARY KEY,
    link bigint NOT NULL,
    row_hash text NOT NULL,
    announced_link bigint NOT NULL
);

-- A database that was put back from a backup: declared by `drukte db restore` or found by a writer.
CREATE TABLE privacy.restore (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause text NOT NULL CHECK (cause IN ('declared', 'found')),
    found_at timestamptz NOT NULL DEFAULT now(),
    handled_at timestamptz,
    lost_batches integer
);

-- Batches whose draw a restore took away: never drawn again. grid is the batch key without its part.
CREATE TABLE privacy.lost_batch (
    batch_key text PRIMARY KEY,
    grid text NOT NULL,
    restore bigint NOT NULL REFERENCES privacy.restore
);

CREATE INDEX lost_batch_grid ON privacy.lost_batch (grid);

CREATE FUNCTION privacy.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published row is written once' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON research.cell
    FOR EACH ROW WHEN (OLD.value IS NOT NULL) EXECUTE FUNCTION privacy.refuse_change();

CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON privacy.ledger
    FOR EACH ROW EXECUTE FUNCTION privacy.refuse_change();

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['drukte_research', 'drukte_officer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name)
            AND (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
            BEGIN
                EXECUTE 'CREATE ROLE ' || quote_ident(role_name) || ' NOLOGIN';
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;

    FOREACH role_name IN ARRAY ARRAY['drukte_research', 'drukte_reader'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE 'GRANT USAGE ON SCHEMA research TO ' || quote_ident(role_name);
            EXECUTE 'GRANT SELECT ON ALL TABLES IN SCHEMA research TO ' || quote_ident(role_name);
        END IF;
    END LOOP;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_research') THEN
        GRANT USAGE ON SCHEMA engine TO drukte_research;
        GRANT SELECT ON engine.place TO drukte_research;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_officer') THEN
        GRANT USAGE ON SCHEMA privacy TO drukte_officer;
        GRANT SELECT ON ALL TABLES IN SCHEMA privacy TO drukte_officer;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'drukte_writer') THEN
        GRANT USAGE ON SCHEMA research, privacy TO drukte_writer;
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA research TO drukte_writer;
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA privacy TO drukte_writer;
        GRANT UPDATE ON privacy.chain, privacy.restore TO drukte_writer;
    END IF;
END
$$;
