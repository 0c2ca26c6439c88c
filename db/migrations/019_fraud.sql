-- The fraud family: the payments that were judged, what each scorer said, the cases, and what people found.

-- A payment is one however often it is judged; the thread that first judged it put it here.
CREATE TABLE fraud_payments (
    tenant_id text NOT NULL,
    payment_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    at timestamptz NOT NULL,
    account text NOT NULL,
    payee text NOT NULL,
    payee_name text,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    channel text NOT NULL,
    device text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, payment_id)
);
CREATE INDEX fraud_payments_by_account ON fraud_payments (tenant_id, account, at);
CREATE INDEX fraud_payments_by_payee ON fraud_payments (tenant_id, payee, at);

-- Each scorer writes its own row, once per thread that judges.
CREATE TABLE fraud_scores (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    payment_id text NOT NULL,
    scorer text NOT NULL,
    version text NOT NULL,
    score integer NOT NULL CHECK (score BETWEEN 0 AND 1000),
    reasons jsonb NOT NULL,
    evidence jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, scorer)
);

-- One case per payment. It is decided once, by the rules or by a person.
CREATE TABLE fraud_cases (
    tenant_id text NOT NULL,
    payment_id text NOT NULL,
    thread_id uuid NOT NULL UNIQUE REFERENCES threads,
    opened_by_thread uuid REFERENCES threads,
    score integer CHECK (score BETWEEN 0 AND 1000),
    band text CHECK (band IN ('release', 'hold', 'block')),
    policy_version text,
    verdict text CHECK (verdict IN ('released', 'blocked', 'fraud')),
    decided_by text,
    note text,
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    PRIMARY KEY (tenant_id, payment_id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES fraud_payments,
    CHECK ((verdict IS NULL) = (decided_by IS NULL) AND (verdict IS NULL) = (decided_at IS NULL))
);

-- What a person found of a payment; the next training learns from it.
CREATE TABLE fraud_labels (
    tenant_id text NOT NULL,
    payment_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    fraud boolean NOT NULL,
    labelled_by text NOT NULL,
    labelled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, payment_id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES fraud_payments
);
