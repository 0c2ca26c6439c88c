-- Threads, runs, tasks, events, effects, reviews, audit: what every workflow stands on.
-- Every row has its tenant. Only threads and keys refer to `tenants`: a check of the same row in every transaction
-- would have all of them lock it.

CREATE TABLE tenants (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    person text NOT NULL CHECK (person <> ''),
    roles text[] NOT NULL CHECK (
        cardinality(roles) > 0
        AND roles <@ ARRAY['client', 'agent', 'operator', 'underwriter', 'analyst', 'adviser', 'auditor', 'admin']
    ),
    prefix text NOT NULL,
    sha256 bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- One case. Its status speaks of its runs; whether the case itself is over is `outcome`, which its workflow sets.
-- A thread that a client made without saying what for has no workflow until its first run. `active_runs` counts those
-- pending, waiting or running: on this row, so that whoever changes it goes on from what the one before left.
CREATE TABLE threads (
    thread_id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    workflow text,
    workflow_version text,
    status text NOT NULL DEFAULT 'idle' CHECK (status IN ('idle', 'busy', 'interrupted', 'error')),
    outcome text,
    active_runs integer NOT NULL DEFAULT 0 CHECK (active_runs BETWEEN 0 AND 101),
    started_by text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'busy') = (active_runs > 0))
);
CREATE INDEX threads_by_tenant ON threads (tenant_id, created_at DESC);

-- One execution on a thread: from its input, from a review's answer, or again after a crash. A run with a request to
-- `cancel` ends `cancelled`, or is removed, whatever else it comes to.
CREATE TABLE runs (
    run_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    workflow text NOT NULL,
    workflow_version text NOT NULL,
    assistant_id uuid,
    multitask_strategy text NOT NULL DEFAULT 'enqueue'
        CHECK (multitask_strategy IN ('reject', 'enqueue', 'interrupt', 'rollback')),
    review_id uuid,
    started_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    input jsonb,
    -- What a run changes as it goes is behind what it does not: the log of a change then holds no copy of the input.
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'waiting', 'success', 'error', 'cancelled')),
    cancel text CHECK (cancel IN ('interrupt', 'rollback')),
    epoch integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    waits integer NOT NULL DEFAULT 0,
    error jsonb,
    started_at timestamptz,
    ended_at timestamptz,
    CHECK (input IS NULL OR review_id IS NULL)
) WITH (fillfactor = 70);
CREATE INDEX runs_by_thread ON runs (thread_id, run_id);
CREATE INDEX runs_active ON runs (run_id) WHERE status IN ('pending', 'running', 'waiting');
-- At most one run of a thread is under way; the queue's lock sees to it, this proves it.
CREATE UNIQUE INDEX runs_one_running ON runs (thread_id) WHERE status = 'running';

-- One node's work in a run. The id is LangGraph's, the same after a resume or a crash.
CREATE TABLE tasks (
    task_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    run_id uuid NOT NULL REFERENCES runs,
    name text NOT NULL,
    agent_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
    input jsonb,
    result jsonb,
    error text,
    attempts integer NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX tasks_by_thread ON tasks (thread_id, started_at);

-- What a run's watchers are told, in order. Ranges of uuidv7 run ids are ranges of time, so that age drops a partition.
CREATE FUNCTION uuidv7_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
CREATE TABLE run_events (
    run_id uuid NOT NULL,
    seq integer NOT NULL,
    tenant_id text NOT NULL,
    event text NOT NULL,
    data text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, seq)
) PARTITION BY RANGE (run_id);
CREATE TABLE run_events_default PARTITION OF run_events DEFAULT;

-- Makes this week's partition and the next two; called at start-up and daily. A uuidv7 begins with its milliseconds.
CREATE FUNCTION ensure_event_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    week timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_event_partitions'));
    FOR n IN 0..2 LOOP
        week := date_trunc('week', now(), 'UTC') + n * interval '1 week';
        CONTINUE WHEN to_regclass('run_events_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF run_events FOR VALUES FROM (%L) TO (%L)',
            'run_events_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD'),
            uuidv7_floor(week), uuidv7_floor(week + interval '1 week')
        );
    END LOOP;
END;
$$;

CREATE TABLE idempotency_keys (
    tenant_id text NOT NULL,
    person text NOT NULL,
    key text NOT NULL,
    request_sha256 bytea NOT NULL,
    response_status integer NOT NULL,
    response jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, person, key)
);

-- An act outside our database. Its key is a business key, so that no retry, resume or second worker can make it twice.
CREATE TABLE effects (
    key text PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    run_id uuid NOT NULL REFERENCES runs,
    kind text NOT NULL,
    request jsonb NOT NULL,
    request_sha256 text NOT NULL,
    status text NOT NULL DEFAULT 'intended'
        CHECK (status IN ('intended', 'done', 'failed', 'unknown', 'needs_reconcile')),
    response jsonb,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX effects_by_thread ON effects (thread_id);

-- An interrupt that waits for a person.
CREATE TABLE reviews (
    review_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    run_id uuid NOT NULL REFERENCES runs,
    interrupt_id text NOT NULL,
    kind text NOT NULL,
    role text NOT NULL,
    question text NOT NULL,
    facts jsonb NOT NULL,
    payload jsonb NOT NULL,
    payload_sha256 text NOT NULL,
    form jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    on_due jsonb NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'answered', 'expired', 'void')),
    answer jsonb,
    answered_by text,
    answered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (thread_id, interrupt_id),
    CHECK ((status IN ('answered', 'expired')) = (answer IS NOT NULL))
);
CREATE INDEX reviews_open ON reviews (tenant_id, role, due_at) WHERE status = 'open';
CREATE INDEX reviews_due ON reviews (due_at) WHERE status = 'open';

ALTER TABLE runs ADD FOREIGN KEY (review_id) REFERENCES reviews;

-- Who did what. Rows are only ever added.
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    person text NOT NULL,
    action text NOT NULL,
    thread_id uuid,
    run_id uuid,
    record jsonb NOT NULL
);
CREATE INDEX audit_by_thread ON audit (thread_id, audit_id);

-- The chain over those rows, one per tenant, in the order they were sealed.
CREATE TABLE audit_seals (
    tenant_id text NOT NULL,
    seq bigint NOT NULL,
    audit_id bigint NOT NULL UNIQUE REFERENCES audit,
    sha256 bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

SELECT ensure_event_partitions();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seals_no_truncate BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
