-- The lending family: applications, assessments, decisions, offers, loans, letters.

CREATE TABLE loan_applications (
    application_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL UNIQUE REFERENCES threads,
    applicant_id text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    term_months integer NOT NULL CHECK (term_months > 0),
    income_monthly_minor bigint NOT NULL CHECK (income_monthly_minor >= 0),
    request jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX loan_applications_by_applicant ON loan_applications (tenant_id, applicant_id, created_at);

-- Each risk agent writes its own row, once.
CREATE TABLE risk_assessments (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    agent text NOT NULL CHECK (agent IN ('scorecard', 'affordability', 'fraud')),
    version text NOT NULL,
    assessment jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, agent)
);

-- A case is decided once by policy, and once more by an underwriter if policy refers it.
CREATE TABLE credit_decisions (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    decided_by text NOT NULL CHECK (decided_by IN ('policy', 'underwriter')),
    person text,
    outcome text NOT NULL CHECK (outcome IN ('approve', 'decline', 'refer', 'counter_offer')),
    policy_version text NOT NULL,
    facts_sha256 text NOT NULL,
    facts jsonb NOT NULL,
    decision jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, decided_by),
    CHECK ((decided_by = 'underwriter') = (person IS NOT NULL))
);

CREATE TABLE loans (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    loan_account_id text NOT NULL,
    transfer_id text NOT NULL,
    terms jsonb NOT NULL,
    schedule jsonb NOT NULL,
    disbursed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE letters (
    letter_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    kind text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    facts jsonb NOT NULL,
    creditor jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (thread_id, kind)
);

-- What lists, agents and people read; nobody writes through it.
CREATE VIEW loan_cases AS
SELECT a.application_id, a.tenant_id, a.thread_id, a.applicant_id, a.amount_minor, a.currency, a.term_months,
       a.income_monthly_minor, a.request, a.created_at, t.started_by, t.status AS thread_status, t.outcome,
       coalesce(u.outcome, p.outcome) AS decision, coalesce(u.decision, p.decision) AS decision_detail,
       coalesce(u.created_at, p.created_at) AS decided_at, l.loan_account_id,
       (SELECT r.status FROM runs r WHERE r.thread_id = a.thread_id ORDER BY r.run_id DESC LIMIT 1) AS run_status
FROM loan_applications a
JOIN threads t USING (thread_id)
LEFT JOIN credit_decisions p ON p.thread_id = a.thread_id AND p.decided_by = 'policy'
LEFT JOIN credit_decisions u ON u.thread_id = a.thread_id AND u.decided_by = 'underwriter'
LEFT JOIN loans l ON l.thread_id = a.thread_id;
