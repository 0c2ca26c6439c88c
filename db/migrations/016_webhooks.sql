-- What is told of a run's end to the address that its `webhook` names. Made in the statement that ends the run; sent
-- by any worker, again and again until it is taken or given up.

-- It outlives its run, whose thread may be deleted at once. `run` and `run_values` are what is to be told; they go once
-- it is. Claimed by moving `next_attempt_at` to when the claim lapses.
CREATE TABLE webhook_deliveries (
    delivery_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL,
    run_id uuid NOT NULL,
    url text NOT NULL,
    run jsonb,
    run_values text,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK ((state = 'delivered') = (run IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant_id, created_at DESC);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE state <> 'pending';

-- What a tenant's deliveries are signed with: the one without an end, and those it replaced, for a while.
CREATE TABLE webhook_secrets (
    tenant_id text NOT NULL REFERENCES tenants,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, secret)
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (tenant_id) WHERE expires_at IS NULL;
