-- The transfer workflow: transfers, what the bank told us by itself, and reviews that take two people or no person.

ALTER TABLE reviews ADD COLUMN other_than text[] NOT NULL DEFAULT '{}';

-- One payment each. What is to be paid never changes; who it was found to be for and how it stands do, forward only.
-- `counted_at`: since when it counts against its customer's limits; NULL again once nothing was paid.
CREATE TABLE transfers (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    task_id text NOT NULL CHECK (task_id <> ''),
    agent_name text NOT NULL,
    request_sha256 text NOT NULL,
    source_account text NOT NULL,
    destination_account text,
    creditor_iban text,
    creditor_name text,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reference text NOT NULL,
    request jsonb NOT NULL,
    customer_id text,
    counted_at timestamptz,
    limits jsonb,
    status text NOT NULL DEFAULT 'received'
        CHECK (status IN ('received', 'held', 'submitted', 'settled', 'rejected', 'returned', 'refused')),
    hold_id text,
    transfer_id text UNIQUE,
    reasons jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, task_id),
    CHECK (num_nonnulls(destination_account, creditor_iban) = 1),
    CHECK ((transfer_id IS NULL) = (status IN ('received', 'held', 'refused')))
);
CREATE INDEX transfers_counted ON transfers (tenant_id, customer_id, currency, counted_at)
    WHERE counted_at IS NOT NULL;
CREATE INDEX transfers_by_payer ON transfers (tenant_id, source_account, created_at);

CREATE FUNCTION refuse_another_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.source_account, NEW.destination_account, NEW.creditor_iban, NEW.creditor_name, NEW.amount_minor,
        NEW.currency, NEW.reference)
       IS DISTINCT FROM
       (OLD.source_account, OLD.destination_account, OLD.creditor_iban, OLD.creditor_name, OLD.amount_minor,
        OLD.currency, OLD.reference)
    THEN
        RAISE EXCEPTION 'what a transfer pays never changes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER transfers_pay_the_same BEFORE UPDATE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_another_payment();

-- Each check writes its own row, once: what was found, by which version.
CREATE TABLE transfer_checks (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES transfers,
    name text NOT NULL CHECK (name IN ('limits', 'payee', 'sanctions')),
    version text NOT NULL,
    found jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, name)
);

CREATE TABLE transfer_decisions (
    thread_id uuid PRIMARY KEY REFERENCES transfers,
    tenant_id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('straight_through', 'review', 'refuse')),
    policy_version text NOT NULL,
    facts_sha256 text NOT NULL,
    facts jsonb NOT NULL,
    decision jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What the bank told us, each event once. A hint: what is true, the bank is asked. It tells of every tenant's transfers.
CREATE TABLE bank_events (
    event_id text PRIMARY KEY,
    type text NOT NULL,
    data jsonb NOT NULL,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- What lists, agents and people read; nobody writes through it.
CREATE VIEW transfer_cases AS
SELECT f.tenant_id, f.thread_id, f.task_id, f.agent_name, f.request_sha256, f.source_account, f.destination_account,
       f.creditor_iban, f.creditor_name, f.amount_minor, f.currency, f.reference, f.status, f.transfer_id, f.reasons,
       f.created_at, t.started_by, t.status AS thread_status, t.outcome,
       (SELECT v.role FROM reviews v WHERE v.thread_id = f.thread_id AND v.status = 'open' LIMIT 1) AS waits_for
FROM transfers f
JOIN threads t USING (thread_id);
