-- Loan servicing: what each case found and recommended, and each loan's bucket month by month.

-- A case assesses once; the loan's day is what it assessed.
CREATE TABLE servicing_assessments (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    loan_account_id text NOT NULL,
    as_of date NOT NULL,
    version text NOT NULL,
    bucket text NOT NULL CHECK (bucket IN ('current', '1-29', '30-59', '60-89', '90+')),
    days_past_due integer NOT NULL CHECK (days_past_due >= 0),
    past_due_minor bigint NOT NULL CHECK (past_due_minor >= 0),
    assessment jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((bucket = 'current') = (days_past_due = 0))
);
CREATE INDEX servicing_assessments_of_loan ON servicing_assessments (tenant_id, loan_account_id, as_of);

CREATE TABLE servicing_recommendations (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    action text NOT NULL CHECK (action IN ('none', 'reminder', 'payment_plan', 're_age', 'restructure', 'refer')),
    policy_version text NOT NULL,
    facts_sha256 text NOT NULL,
    facts jsonb NOT NULL,
    recommendation jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The bucket that a loan was last seen in, by month: what roll rates are counted from.
CREATE TABLE loan_buckets (
    tenant_id text NOT NULL,
    loan_account_id text NOT NULL,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    as_of date NOT NULL,
    bucket text NOT NULL CHECK (bucket IN ('current', '1-29', '30-59', '60-89', '90+')),
    PRIMARY KEY (tenant_id, loan_account_id, month),
    CHECK (date_trunc('month', as_of) = month)
);
CREATE INDEX loan_buckets_by_bucket ON loan_buckets (tenant_id, bucket, month);

CREATE INDEX loans_by_account ON loans (loan_account_id);

-- The cases that a day's batch starts: the same thread for a loan and a day, however often the batch runs.
CREATE TABLE servicing_starts (
    tenant_id text NOT NULL,
    as_of date NOT NULL,
    loan_account_id text NOT NULL,
    thread_id uuid NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, as_of, loan_account_id)
);

-- What lists, agents and people read; nobody writes through it. Without a status: about to be started.
CREATE VIEW servicing_days AS
SELECT s.tenant_id, s.as_of, s.loan_account_id, s.thread_id, t.status, t.outcome, a.bucket, a.days_past_due,
       a.past_due_minor, r.action
FROM servicing_starts s
LEFT JOIN threads t USING (thread_id)
LEFT JOIN servicing_assessments a USING (thread_id)
LEFT JOIN servicing_recommendations r USING (thread_id);
