-- Payments that repeat. A due day is executed or skipped, once.

CREATE TABLE standing_orders (
    standing_order_id text PRIMARY KEY CHECK (standing_order_id ~ '^sto_[0-9a-f]{32}$'),
    idempotency_key   text NOT NULL UNIQUE REFERENCES requests,
    source_account    text NOT NULL REFERENCES accounts,
    transfer_order    json NOT NULL,
    interval_unit     text NOT NULL CHECK (interval_unit IN ('day', 'week', 'month')),
    first_on          date NOT NULL,
    last_on           date CHECK (last_on >= first_on),
    done              integer NOT NULL DEFAULT 0 CHECK (done >= 0), -- due days behind it, executed or skipped
    next_on           date,
    status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'ended', 'cancelled')),
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'active') = (next_on IS NOT NULL))
);
CREATE INDEX standing_orders_of_account ON standing_orders (source_account, created_at);
CREATE INDEX standing_orders_due ON standing_orders (next_on) WHERE status = 'active';

CREATE TABLE standing_order_executions (
    standing_order_id text NOT NULL REFERENCES standing_orders,
    due_on            date NOT NULL,
    status            text NOT NULL CHECK (status IN ('executed', 'skipped')),
    transfer_id       text UNIQUE REFERENCES transfers,
    reason            text,
    detail            text,
    at                timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (standing_order_id, due_on),
    CHECK ((status = 'executed') = (transfer_id IS NOT NULL)),
    CHECK ((status = 'skipped') = (reason IS NOT NULL))
);
