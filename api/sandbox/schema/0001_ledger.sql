-- The bank's books. Money is bigint minor units. Postings are only ever added, and each transaction sums to zero.

CREATE TABLE customers (
    customer_id    text PRIMARY KEY CHECK (customer_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    full_name      text NOT NULL CHECK (full_name <> ''),
    date_of_birth  date NOT NULL,
    email          text NOT NULL,
    street         text NOT NULL,
    city           text NOT NULL,
    postcode       text NOT NULL,
    country        text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    customer_since date NOT NULL,
    kyc_status     text NOT NULL CHECK (kyc_status IN ('verified', 'pending', 'blocked')),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- What a credit bureau says. It lags: a loan paid out here does not appear in it.
-- A home loan is among the obligations, and its payment within housing_monthly_cost_minor, too.
CREATE TABLE credit_files (
    customer_id                text PRIMARY KEY REFERENCES customers,
    employment_status          text NOT NULL
        CHECK (employment_status IN ('employed', 'self_employed', 'retired', 'unemployed')),
    employment_since           date,
    employment_months          integer CHECK (employment_months >= 0), -- instead of a date, so that a newcomer stays one
    housing_status             text NOT NULL CHECK (housing_status IN ('own', 'mortgage', 'rent', 'family')),
    housing_monthly_cost_minor bigint NOT NULL CHECK (housing_monthly_cost_minor >= 0),
    obligations                json NOT NULL DEFAULT '[]',
    oldest_account_months      integer NOT NULL CHECK (oldest_account_months >= 0),
    accounts_open              integer NOT NULL CHECK (accounts_open >= 0),
    delinquencies_24m          integer NOT NULL CHECK (delinquencies_24m >= 0),
    worst_days_past_due_24m    integer NOT NULL CHECK (worst_days_past_due_24m >= 0),
    inquiries_6m               integer NOT NULL CHECK (inquiries_6m >= 0),
    utilisation_bps            integer CHECK (utilisation_bps >= 0), -- NULL: no revolving credit
    public_records             integer NOT NULL CHECK (public_records >= 0),
    collections                integer NOT NULL CHECK (collections >= 0),
    bankruptcies               integer NOT NULL CHECK (bankruptcies >= 0),
    currency                   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    CHECK (num_nonnulls(employment_since, employment_months) <= 1)
);

-- Internal accounts are the bank's own: no limit and no running balance, so that they are no bottleneck.
-- A loan account's limit is its principal; its balance is what the customer owes, below zero.
CREATE TABLE accounts (
    account_id            text PRIMARY KEY CHECK (account_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    customer_id           text REFERENCES customers,
    currency              text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    kind                  text NOT NULL CHECK (kind IN ('current', 'savings', 'loan', 'internal')),
    state                 text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'closed')),
    overdraft_limit_minor bigint NOT NULL DEFAULT 0 CHECK (overdraft_limit_minor >= 0),
    booked_minor          bigint NOT NULL DEFAULT 0,
    opened_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, currency),
    CONSTRAINT internal_accounts_have_no_customer CHECK ((kind = 'internal') = (customer_id IS NULL)),
    CONSTRAINT internal_accounts_keep_no_balance CHECK (kind <> 'internal' OR booked_minor = 0),
    CONSTRAINT balance_within_limit CHECK (kind = 'internal' OR booked_minor >= -overdraft_limit_minor)
);
CREATE INDEX accounts_of_customer ON accounts (customer_id) WHERE kind <> 'loan';

CREATE TABLE transactions (
    transaction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference      text NOT NULL,
    booked_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE postings (
    posting_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id bigint NOT NULL REFERENCES transactions,
    account_id     text NOT NULL,
    currency       text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor <> 0),
    FOREIGN KEY (account_id, currency) REFERENCES accounts (account_id, currency)
);
CREATE INDEX postings_of_account ON postings (account_id, posting_id);
CREATE INDEX postings_of_transaction ON postings (transaction_id);

-- status and response are NULL only inside the transaction that answers: nobody else ever sees them so.
-- response is json, not jsonb: it is replayed byte for byte.
CREATE TABLE requests (
    idempotency_key text PRIMARY KEY,
    method          text NOT NULL,
    path            text NOT NULL,
    request_sha256  text NOT NULL CHECK (request_sha256 ~ '^[0-9a-f]{64}$'),
    status          integer CHECK (status BETWEEN 200 AND 499),
    response        json,
    received_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(status, response) IN (0, 2))
);

CREATE TABLE transfers (
    transfer_id         text PRIMARY KEY CHECK (transfer_id ~ '^trf_[0-9a-f]{32}$'),
    transaction_id      bigint NOT NULL UNIQUE REFERENCES transactions,
    idempotency_key     text NOT NULL UNIQUE REFERENCES requests,
    source_account      text NOT NULL REFERENCES accounts,
    destination_account text NOT NULL REFERENCES accounts,
    amount_minor        bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000),
    currency            text NOT NULL,
    status              text NOT NULL CHECK (status IN ('submitted', 'settled')),
    reference           text NOT NULL CHECK (length(reference) <= 140),
    created_at          timestamptz NOT NULL DEFAULT now(),
    CHECK (source_account <> destination_account)
);

CREATE TABLE loan_accounts (
    loan_account_id     text PRIMARY KEY REFERENCES accounts CHECK (loan_account_id ~ '^lon_[0-9a-f]{32}$'),
    customer_id         text NOT NULL REFERENCES customers,
    disburse_to_account text NOT NULL REFERENCES accounts,
    transfer_id         text NOT NULL UNIQUE REFERENCES transfers,
    principal_minor     bigint NOT NULL CHECK (principal_minor BETWEEN 1 AND 1000000000000),
    fee_minor           bigint NOT NULL CHECK (fee_minor >= 0 AND fee_minor < principal_minor),
    paid_out_minor      bigint NOT NULL,
    currency            text NOT NULL,
    annual_rate_bps     integer NOT NULL CHECK (annual_rate_bps BETWEEN 0 AND 10000),
    term_months         integer NOT NULL CHECK (term_months BETWEEN 1 AND 600),
    first_due_on        date NOT NULL,
    reference           text NOT NULL CHECK (length(reference) <= 140),
    status              text NOT NULL CHECK (status IN ('disbursed')),
    disbursed_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (paid_out_minor = principal_minor - fee_minor)
);
CREATE INDEX loan_accounts_of_customer ON loan_accounts (customer_id, disbursed_at DESC);

-- Every POST the bank received, and what it answered or would have answered: the judge of "how many times".
CREATE TABLE request_log (
    seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    method          text NOT NULL,
    path            text NOT NULL,
    idempotency_key text,
    status          integer NOT NULL,
    replayed        boolean NOT NULL
);
CREATE INDEX request_log_of_key ON request_log (idempotency_key);

CREATE FUNCTION move_balances() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Locks in account order, so that two transactions over the same accounts never wait for each other.
    PERFORM 1 FROM accounts
    WHERE kind <> 'internal' AND account_id IN (SELECT account_id FROM booked)
    ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE accounts SET booked_minor = booked_minor + moved.amount_minor
    FROM (SELECT account_id, sum(amount_minor)::bigint AS amount_minor FROM booked GROUP BY account_id) AS moved
    WHERE accounts.account_id = moved.account_id AND kind <> 'internal';
    RETURN NULL;
END $$;
CREATE TRIGGER postings_move_balances AFTER INSERT ON postings
    REFERENCING NEW TABLE AS booked FOR EACH STATEMENT EXECUTE FUNCTION move_balances();

CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM postings WHERE transaction_id = NEW.transaction_id) THEN
        RAISE EXCEPTION 'transaction % has no postings', NEW.transaction_id USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        SELECT FROM postings WHERE transaction_id = NEW.transaction_id
        GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'transaction % does not sum to zero', NEW.transaction_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transactions_balance AFTER INSERT ON transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced();
CREATE CONSTRAINT TRIGGER postings_balance AFTER INSERT ON postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
