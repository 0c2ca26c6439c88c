-- Reconciliation, and the workflows that start daily.

-- What starts by itself starts once per tenant and day, however many workers there are.
CREATE TABLE daily_starts (
    tenant_id text NOT NULL REFERENCES tenants,
    workflow text NOT NULL,
    day date NOT NULL,
    thread_id uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, workflow, day)
);

-- An effect without an outcome is `intended`, sent or not; only the bank knows. `contradiction`: what of the bank's word
-- contradicts ours, for a person to look at.
ALTER TABLE effects
    ADD COLUMN contradiction text,
    DROP CONSTRAINT effects_status_check,
    ADD CONSTRAINT effects_status_check CHECK (status IN ('intended', 'done', 'failed', 'needs_reconcile')),
    ADD CHECK (status <> 'needs_reconcile' OR contradiction IS NOT NULL);
CREATE INDEX effects_open ON effects (tenant_id) WHERE status IN ('intended', 'needs_reconcile');
CREATE INDEX effects_by_day ON effects (tenant_id, created_at);

-- One per case of reconciliation: what it compared.
CREATE TABLE reconciliations (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    counts jsonb NOT NULL,
    compared_at timestamptz NOT NULL DEFAULT now()
);

-- What the bank's books and ours say differently, each once however often it is seen. `subject` is an effect's key, an
-- Idempotency-Key of the bank's or an account. `thread_id` found it first and has it reviewed, `seen_in` saw it last.
CREATE TABLE ledger_differences (
    tenant_id text NOT NULL,
    difference_key text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    ours jsonb NOT NULL,
    bank jsonb NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    seen_in uuid NOT NULL REFERENCES threads,
    found_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acknowledged', 'resolved')),
    note text,
    reviewed_by text,
    reviewed_at timestamptz,
    PRIMARY KEY (tenant_id, difference_key),
    CHECK ((status = 'open') = (note IS NULL)),
    CHECK (num_nonnulls(note, reviewed_by, reviewed_at) IN (0, 3))
);
CREATE INDEX ledger_differences_found ON ledger_differences (thread_id);
CREATE INDEX ledger_differences_seen ON ledger_differences (seen_in);
