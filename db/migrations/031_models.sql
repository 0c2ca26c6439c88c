-- Calls of models: reserved in budgets before they are made, and kept with what was asked and answered, redacted.

-- What one run (or intake) may spend, and what a tenant may spend in a day (UTC). A reservation whose worker died stays
-- spent. Tokens may pass their limit by what an endpoint counts differently from us, calls never.
CREATE TABLE model_budgets (
    tenant_id text NOT NULL,
    scope text NOT NULL CHECK (scope ~ '^(run|intake|day):[0-9a-f-]+$'),
    calls integer NOT NULL,
    max_calls integer NOT NULL CHECK (max_calls > 0),
    tokens bigint NOT NULL CHECK (tokens >= 0),
    max_tokens bigint NOT NULL CHECK (max_tokens > 0),
    cost_micros bigint NOT NULL CHECK (cost_micros >= 0),
    max_cost_micros bigint NOT NULL CHECK (max_cost_micros > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, scope),
    CHECK (calls BETWEEN 0 AND max_calls)
);

-- One request to a model's endpoint. `refused` was not sent: its budget was spent, or the endpoint had failed too often.
-- `reason` says why there is no answer, or why the answer was not taken.
CREATE TABLE model_calls (
    call_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    scope text NOT NULL,
    thread_id uuid,
    prompt_name text NOT NULL,
    prompt_version integer NOT NULL,
    prompt_sha256 text NOT NULL CHECK (prompt_sha256 ~ '^[0-9a-f]{64}$'),
    model text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('schema', 'tools', 'plain')),
    status text NOT NULL CHECK (status IN ('reserved', 'taken', 'not_taken', 'failed', 'refused')),
    reason text,
    asked jsonb NOT NULL,
    answered text,
    input_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    cost_micros bigint NOT NULL,
    latency_ms integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status IN ('reserved', 'taken') OR reason IS NOT NULL)
);
CREATE INDEX model_calls_by_thread ON model_calls (tenant_id, thread_id, created_at) WHERE thread_id IS NOT NULL;
CREATE INDEX model_calls_by_scope ON model_calls (tenant_id, scope, created_at);

-- What is kept of a call is concluded once.
CREATE FUNCTION refuse_another_conclusion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'reserved' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a model''s call is concluded once, and never removed' USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER model_calls_stay BEFORE UPDATE OR DELETE ON model_calls
    FOR EACH ROW EXECUTE FUNCTION refuse_another_conclusion();

-- Free text on its way to a workflow's own input. `arguments` says of each value which words it was read from and whose
-- they are; only `input_sha256`, which the requester confirmed or typed, starts a case.
CREATE TABLE intake_drafts (
    intake_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    workflow text NOT NULL,
    workflow_version text NOT NULL,
    started_by text NOT NULL,
    origin text NOT NULL CHECK (origin IN ('typed_by_user', 'untrusted')),
    text text NOT NULL,
    status text NOT NULL CHECK (status IN ('asks', 'confirm', 'started')),
    arguments jsonb NOT NULL,
    refused jsonb NOT NULL,
    model jsonb NOT NULL,
    input jsonb,
    input_sha256 text CHECK (input_sha256 ~ '^[0-9a-f]{64}$'),
    thread_id uuid REFERENCES threads,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((input IS NULL) = (input_sha256 IS NULL) AND (status = 'asks') = (input IS NULL)),
    CHECK ((status = 'started') = (thread_id IS NOT NULL))
);
CREATE INDEX intake_drafts_by_person ON intake_drafts (tenant_id, started_by, created_at);
