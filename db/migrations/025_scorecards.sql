-- Policies that are revoked, and what challengers would have decided.

-- One policy owner asks that an approved policy decide no longer, another confirms it; each row is settled once.
CREATE TABLE policy_revocations (
    revocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    -- A scorecard has no force of its own: what names it is revoked.
    kind text NOT NULL DEFAULT 'credit_policy' CHECK (kind = 'credit_policy'),
    version text NOT NULL,
    status text NOT NULL DEFAULT 'asked' CHECK (status IN ('asked', 'confirmed', 'refused', 'withdrawn')),
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    settled_by text,
    settled_at timestamptz,
    settled_why text,
    FOREIGN KEY (tenant_id, kind, version) REFERENCES policy_documents,
    CHECK (num_nonnulls(settled_by, settled_at, settled_why) = CASE status WHEN 'asked' THEN 0 ELSE 3 END),
    CHECK (status NOT IN ('confirmed', 'refused') OR settled_by <> asked_by),
    CHECK (status <> 'withdrawn' OR settled_by = asked_by)
);
CREATE UNIQUE INDEX policy_revocations_one_at_a_time ON policy_revocations (tenant_id, kind, version)
    WHERE status IN ('asked', 'confirmed');

ALTER TABLE policy_documents DROP CONSTRAINT policy_documents_status_check;
ALTER TABLE policy_documents ADD CONSTRAINT policy_documents_status_check
    CHECK (status IN ('proposed', 'approved', 'rejected', 'withdrawn', 'revoked'));

CREATE FUNCTION check_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM policy_documents
        WHERE tenant_id = NEW.tenant_id AND kind = NEW.kind AND version = NEW.version AND status = 'approved'
        FOR SHARE;
        IF NOT FOUND OR NEW.status <> 'asked' THEN
            RAISE EXCEPTION 'only an approved policy is revoked, and not by one person'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'asked' AND NEW.status <> 'asked'
       AND (NEW.revocation_id, NEW.tenant_id, NEW.kind, NEW.version, NEW.reason, NEW.asked_by, NEW.asked_at)
       IS NOT DISTINCT FROM
           (OLD.revocation_id, OLD.tenant_id, OLD.kind, OLD.version, OLD.reason, OLD.asked_by, OLD.asked_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a revocation is settled once, and never edited or removed'
        USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER policy_revocations_stay BEFORE INSERT OR UPDATE OR DELETE ON policy_revocations
    FOR EACH ROW EXECUTE FUNCTION check_revocation();
CREATE TRIGGER policy_revocations_are_not_emptied BEFORE TRUNCATE ON policy_revocations
    FOR EACH STATEMENT EXECUTE FUNCTION check_revocation();

-- Confirmed and revoked are one act: neither is there without the other.
CREATE FUNCTION revoke_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE policy_documents SET status = 'revoked'
    WHERE tenant_id = NEW.tenant_id AND kind = NEW.kind AND version = NEW.version;
    RETURN NEW;
END;
$$;
CREATE TRIGGER policy_revocations_take_force AFTER UPDATE ON policy_revocations
    FOR EACH ROW WHEN (NEW.status = 'confirmed') EXECUTE FUNCTION revoke_policy();

CREATE OR REPLACE FUNCTION refuse_another_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.tenant_id, NEW.kind, NEW.version, NEW.in_force_from, NEW.document, NEW.sha256, NEW.note,
            NEW.proposed_by, NEW.proposed_at)
           IS NOT DISTINCT FROM
           (OLD.tenant_id, OLD.kind, OLD.version, OLD.in_force_from, OLD.document, OLD.sha256, OLD.note,
            OLD.proposed_by, OLD.proposed_at)
        THEN
            IF OLD.status = 'proposed' AND NEW.status NOT IN ('proposed', 'revoked') THEN
                RETURN NEW;
            END IF;
            IF OLD.status = 'approved' AND NEW.status = 'revoked'
               AND (NEW.decided_by, NEW.decided_at, NEW.reason)
               IS NOT DISTINCT FROM (OLD.decided_by, OLD.decided_at, OLD.reason)
               AND EXISTS (
                   SELECT FROM policy_revocations
                   WHERE tenant_id = NEW.tenant_id AND kind = NEW.kind AND version = NEW.version
                     AND status = 'confirmed'
               )
            THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'a policy document is decided once, and never edited or removed'
        USING ERRCODE = 'insufficient_privilege';
END;
$$;

-- What each challenger made of a case, beside what the champion decided; nobody writes through it.
CREATE INDEX risk_assessments_of_challengers ON risk_assessments (tenant_id, thread_id)
    WHERE agent LIKE 'challenger:_%';
CREATE VIEW challenger_decisions AS
SELECT d.tenant_id, d.thread_id, d.created_at AS decided_at, substr(a.agent, length('challenger:') + 1) AS challenger,
       a.version AS challenger_version, d.policy_version || '+' || (d.decision ->> 'scorecard_version') AS champion_version,
       a.assessment ->> 'fault' AS fault,
       a.assessment -> 'decision' ->> 'outcome' AS challenger_outcome, d.outcome AS champion_outcome,
       a.assessment -> 'score' ->> 'band' AS challenger_band, d.facts -> 'score' ->> 'band' AS champion_band,
       (a.assessment -> 'decision' -> 'terms' ->> 'principal_minor')::bigint AS challenger_principal_minor,
       (d.decision -> 'terms' ->> 'principal_minor')::bigint AS champion_principal_minor
FROM credit_decisions d
JOIN risk_assessments a ON a.tenant_id = d.tenant_id AND a.thread_id = d.thread_id AND a.agent LIKE 'challenger:_%'
WHERE d.decided_by = 'policy';
