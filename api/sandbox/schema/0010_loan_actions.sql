-- What the bank does about a loan that is not paid as agreed. A new schedule is a new version; the ones before stay.
-- Version 1 is the contract's own and is calculated from it.

ALTER TABLE loan_accounts
    ADD COLUMN schedule_version integer NOT NULL DEFAULT 1 CHECK (schedule_version >= 1),
    DROP CONSTRAINT loan_accounts_status_check,
    ADD CONSTRAINT loan_accounts_status_check CHECK (status IN ('disbursed', 'in_collections', 'repaid'));
CREATE INDEX loan_accounts_not_repaid ON loan_accounts (loan_account_id) WHERE status <> 'repaid';

-- The schedule that a repayment was split by.
ALTER TABLE loan_repayments ADD COLUMN schedule_version integer NOT NULL DEFAULT 1 CHECK (schedule_version >= 1);

CREATE TABLE loan_actions (
    action_id                   text PRIMARY KEY CHECK (action_id ~ '^act_[0-9a-f]{32}$'),
    loan_account_id             text NOT NULL REFERENCES loan_accounts,
    idempotency_key             text NOT NULL UNIQUE REFERENCES requests,
    kind                        text NOT NULL CHECK (kind IN ('payment_plan', 're_age', 'restructure', 'referral')),
    reason                      text NOT NULL CHECK (length(reason) <= 140),
    outstanding_principal_minor bigint NOT NULL CHECK (outstanding_principal_minor > 0),
    schedule_version            integer, -- NULL: the schedule stays
    created_at                  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (loan_account_id, schedule_version),
    CHECK ((kind = 'referral') = (schedule_version IS NULL)),
    CHECK (schedule_version >= 2)
);
CREATE INDEX loan_actions_of_loan ON loan_actions (loan_account_id, created_at);
CREATE UNIQUE INDEX loan_actions_one_referral ON loan_actions (loan_account_id) WHERE kind = 'referral';

CREATE TABLE loan_instalments (
    loan_account_id  text NOT NULL,
    schedule_version integer NOT NULL,
    number           integer NOT NULL CHECK (number BETWEEN 1 AND 600),
    due_on           date NOT NULL,
    interest_minor   bigint NOT NULL CHECK (interest_minor >= 0),
    principal_minor  bigint NOT NULL CHECK (principal_minor >= 0),
    PRIMARY KEY (loan_account_id, schedule_version, number),
    UNIQUE (loan_account_id, schedule_version, due_on),
    FOREIGN KEY (loan_account_id, schedule_version) REFERENCES loan_actions (loan_account_id, schedule_version)
);

CREATE TRIGGER loan_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON loan_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER loan_instalments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON loan_instalments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A new schedule repays what is owed when it is made, to the cent: no more, no less.
CREATE FUNCTION refuse_wrong_schedule() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    owed_minor bigint := (SELECT -booked_minor FROM accounts WHERE account_id = NEW.loan_account_id);
    sum_minor  bigint := (SELECT coalesce(sum(principal_minor), 0) FROM loan_instalments
                          WHERE loan_account_id = NEW.loan_account_id AND schedule_version = NEW.schedule_version);
BEGIN
    IF NEW.outstanding_principal_minor <> owed_minor OR sum_minor <> owed_minor THEN
        RAISE EXCEPTION 'version % of the schedule of % has a principal of %, and % is owed',
            NEW.schedule_version, NEW.loan_account_id, sum_minor, owed_minor USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER schedules_sum_to_what_is_owed AFTER INSERT ON loan_actions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.schedule_version IS NOT NULL)
    EXECUTE FUNCTION refuse_wrong_schedule();
-- Nobody adds to a schedule later.
CREATE FUNCTION refuse_wrong_instalment() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (SELECT outstanding_principal_minor FROM loan_actions
        WHERE loan_account_id = NEW.loan_account_id AND schedule_version = NEW.schedule_version)
       <> (SELECT sum(principal_minor) FROM loan_instalments
           WHERE loan_account_id = NEW.loan_account_id AND schedule_version = NEW.schedule_version) THEN
        RAISE EXCEPTION 'version % of the schedule of % does not sum to its principal',
            NEW.schedule_version, NEW.loan_account_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER instalments_sum_to_their_principal AFTER INSERT ON loan_instalments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_wrong_instalment();
