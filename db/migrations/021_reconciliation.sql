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
