-- What customers pay back. The split into interest and principal follows the schedule, oldest instalment first.

INSERT INTO accounts (account_id, currency, kind) VALUES
    ('BANK-INTEREST-USD', 'USD', 'internal'), ('BANK-INTEREST-EUR', 'EUR', 'internal');

ALTER TABLE accounts ADD CONSTRAINT nobody_is_owed_a_loan CHECK (kind <> 'loan' OR booked_minor <= 0);
ALTER TABLE loan_accounts
    DROP CONSTRAINT loan_accounts_status_check,
    ADD CONSTRAINT loan_accounts_status_check CHECK (status IN ('disbursed', 'repaid'));

CREATE TABLE loan_repayments (
    repayment_id    text PRIMARY KEY CHECK (repayment_id ~ '^rep_[0-9a-f]{32}$'),
    loan_account_id text NOT NULL REFERENCES loan_accounts,
    transfer_id     text NOT NULL UNIQUE REFERENCES transfers,
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 1),
    interest_minor  bigint NOT NULL CHECK (interest_minor >= 0),
    principal_minor bigint NOT NULL CHECK (principal_minor >= 0),
    paid_at         timestamptz NOT NULL DEFAULT now(),
    CHECK (amount_minor = interest_minor + principal_minor)
);
CREATE INDEX repayments_of_loan ON loan_repayments (loan_account_id, paid_at);
CREATE TRIGGER loan_repayments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON loan_repayments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
