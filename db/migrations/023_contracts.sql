-- From decision to payout, and the day by which an applicant must have heard.

-- A loan is paid out once, under whatever key: one account at the bank, and one disbursement per case.
ALTER TABLE loans ADD UNIQUE (loan_account_id);
CREATE UNIQUE INDEX effects_disburse_once ON effects (thread_id) WHERE kind = 'loan_disbursement';

-- An applicant is told of approval, counteroffer or refusal within 30 days of a completed application (12 CFR
-- 1002.9(a)(1)(i)). This is who was told of nothing yet; a case that is closed owes none.
CREATE VIEW loan_notices_owed AS
SELECT t.tenant_id, t.thread_id, a.application_id, t.status AS thread_status, t.created_at AS applied_at,
       t.created_at + interval '30 days' AS due_at
FROM threads t
LEFT JOIN loan_applications a USING (thread_id)
WHERE t.workflow = 'loan_origination' AND t.outcome IS NULL
  AND (a.thread_id IS NOT NULL OR EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = t.thread_id))
  AND NOT EXISTS (
      SELECT 1 FROM letters l
      WHERE l.thread_id = t.thread_id AND l.kind IN ('offer', 'counter_offer', 'adverse_action')
  );

-- Those that were found near their day, once each.
CREATE TABLE loan_notice_flags (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    due_at timestamptz NOT NULL,
    flagged_at timestamptz NOT NULL
);
