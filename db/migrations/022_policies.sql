-- Policy as data: versions of the documents that decide, proposed by one person, approved by another, never edited.

CREATE TABLE policy_documents (
    tenant_id text NOT NULL REFERENCES tenants,
    kind text NOT NULL CHECK (kind IN ('credit_policy', 'scorecard')),
    version text NOT NULL CHECK (version ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    in_force_from date,
    document jsonb NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    status text NOT NULL DEFAULT 'proposed' CHECK (status IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    note text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    reason text,
    PRIMARY KEY (tenant_id, kind, version),
    -- A scorecard scores where a policy in force names it; only policies have a day of their own.
    CHECK ((kind = 'credit_policy') = (in_force_from IS NOT NULL)),
    CHECK (document ->> 'version' = version),
    CHECK (num_nonnulls(decided_by, decided_at, reason) = CASE status WHEN 'proposed' THEN 0 ELSE 3 END),
    CHECK (status IN ('proposed', 'withdrawn') OR decided_by <> proposed_by),
    CHECK (status <> 'withdrawn' OR decided_by = proposed_by)
);
CREATE UNIQUE INDEX policy_documents_one_a_day ON policy_documents (tenant_id, kind, in_force_from)
    WHERE status = 'approved';

CREATE FUNCTION refuse_another_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'proposed' AND NEW.status <> 'proposed'
       AND (NEW.tenant_id, NEW.kind, NEW.version, NEW.in_force_from, NEW.document, NEW.sha256, NEW.note,
            NEW.proposed_by, NEW.proposed_at)
       IS NOT DISTINCT FROM
           (OLD.tenant_id, OLD.kind, OLD.version, OLD.in_force_from, OLD.document, OLD.sha256, OLD.note,
            OLD.proposed_by, OLD.proposed_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a policy document is decided once, and never edited or removed'
        USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER policy_documents_stay BEFORE UPDATE OR DELETE ON policy_documents
    FOR EACH ROW EXECUTE FUNCTION refuse_another_document();
CREATE TRIGGER policy_documents_are_not_emptied BEFORE TRUNCATE ON policy_documents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_document();

-- Who writes credit policy, and who approves it; never one person both.
ALTER TABLE api_keys DROP CONSTRAINT api_keys_roles_check;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_roles_check CHECK (
    cardinality(roles) > 0
    AND roles <@ ARRAY['client', 'agent', 'operator', 'underwriter', 'analyst', 'adviser', 'auditor', 'policy_owner',
                       'admin']
);

-- What challengers made of a case, each under its own name.
ALTER TABLE risk_assessments DROP CONSTRAINT risk_assessments_agent_check;
ALTER TABLE risk_assessments ADD CONSTRAINT risk_assessments_agent_check
    CHECK (agent IN ('scorecard', 'affordability', 'fraud') OR agent LIKE 'challenger:_%');

-- Backtests read a tenant's decisions by the day they were made.
CREATE INDEX credit_decisions_by_day ON credit_decisions (tenant_id, created_at, thread_id) WHERE decided_by = 'policy';
