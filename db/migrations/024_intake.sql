-- What an application still lacks, who applies together, and who withdrew.

-- Said once, by whoever started the case, before it was decided or at one of its waits. A run that begins finds it.
CREATE TABLE loan_withdrawals (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    withdrawn_by text NOT NULL,
    withdrawn_at timestamptz NOT NULL DEFAULT now()
);

-- A letter goes to each who applied; a notice of incompleteness once for each round of questions.
ALTER TABLE letters
    ADD COLUMN copy text NOT NULL DEFAULT '',
    DROP CONSTRAINT letters_thread_id_kind_key,
    ADD UNIQUE (thread_id, kind, copy);

-- Incomplete applications: with the notice of incompleteness we owe nothing while the applicant has time to answer (12
-- CFR 1002.9(c)(2)), and from a completed application on we have 30 days (1002.9(a)(1)(i)). A case that is closed,
-- for whatever reason, owes none.
CREATE OR REPLACE VIEW loan_notices_owed AS
SELECT t.tenant_id, t.thread_id, a.application_id, t.status AS thread_status, t.created_at AS applied_at,
       coalesce(c.completed_at, t.created_at) + interval '30 days' AS due_at
FROM threads t
LEFT JOIN loan_applications a USING (thread_id)
LEFT JOIN LATERAL (
    SELECT bool_or(v.status = 'open') AS is_asked,
           max(v.answered_at) FILTER (WHERE v.status = 'answered') AS completed_at
    FROM reviews v WHERE v.thread_id = t.thread_id AND v.kind = 'completion'
) c ON true
WHERE t.workflow = 'loan_origination' AND t.outcome IS NULL
  AND (a.thread_id IS NOT NULL OR EXISTS (SELECT 1 FROM runs r WHERE r.thread_id = t.thread_id))
  AND NOT coalesce(c.is_asked, false)
  AND NOT EXISTS (
      SELECT 1 FROM letters l
      WHERE l.thread_id = t.thread_id AND l.kind IN ('offer', 'counter_offer', 'adverse_action')
  );
