-- Transfers to US accounts at other banks: a routing number with an account number, in dollars.

ALTER TABLE transfers
    ADD COLUMN creditor_routing_number text CHECK (creditor_routing_number ~ '^[0-9]{9}$'),
    ADD COLUMN creditor_account_number text CHECK (creditor_account_number ~ '^[0-9]{4,17}$'),
    DROP CONSTRAINT transfers_check,
    ADD CONSTRAINT transfers_have_one_creditor
        CHECK (num_nonnulls(destination_account, creditor_iban, creditor_routing_number) = 1),
    ADD CONSTRAINT transfers_routing_and_account CHECK
        ((creditor_routing_number IS NULL) = (creditor_account_number IS NULL)),
    ADD CONSTRAINT transfers_by_routing_number_are_of_dollars CHECK (creditor_routing_number IS NULL OR currency = 'USD');

CREATE OR REPLACE FUNCTION refuse_another_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.source_account, NEW.destination_account, NEW.creditor_iban, NEW.creditor_routing_number,
        NEW.creditor_account_number, NEW.creditor_name, NEW.amount_minor, NEW.currency, NEW.reference)
       IS DISTINCT FROM
       (OLD.source_account, OLD.destination_account, OLD.creditor_iban, OLD.creditor_routing_number,
        OLD.creditor_account_number, OLD.creditor_name, OLD.amount_minor, OLD.currency, OLD.reference)
    THEN
        RAISE EXCEPTION 'what a transfer pays never changes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END;
$$;

CREATE OR REPLACE VIEW transfer_cases AS
SELECT f.tenant_id, f.thread_id, f.task_id, f.agent_name, f.request_sha256, f.source_account, f.destination_account,
       f.creditor_iban, f.creditor_name, f.amount_minor, f.currency, f.reference, f.status, f.transfer_id, f.reasons,
       f.created_at, t.started_by, t.status AS thread_status, t.outcome,
       (SELECT v.role FROM reviews v WHERE v.thread_id = f.thread_id AND v.status = 'open' LIMIT 1) AS waits_for,
       f.creditor_routing_number, f.creditor_account_number
FROM transfers f
JOIN threads t USING (thread_id);
