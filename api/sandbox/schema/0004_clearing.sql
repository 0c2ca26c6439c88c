-- Payments to other banks: submitted now, settled, rejected or returned later. Meanwhile the clearing account has the money.

ALTER TABLE accounts ADD COLUMN iban text UNIQUE CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$');
UPDATE accounts SET iban = given.iban FROM (VALUES
    ('ACC001', 'DE45500999000004711137'), ('ACC002', 'DE32500999000004711274'), ('ACC003', 'DE19500999000004711411'),
    ('ACC004', 'DE06500999000004711548'), ('ACC005', 'DE90500999000004711685'), ('ACC006', 'DE77500999000004711822'),
    ('ACC007', 'DE64500999000004711959'), ('ACC008', 'DE51500999000004712096'), ('ACC009', 'DE38500999000004712233'),
    ('ACC010', 'DE25500999000004712370'), ('ACC011', 'DE12500999000004712507'), ('SAV001', 'DE96500999000004712644'),
    ('SAV002', 'DE83500999000004712781'), ('EUR001', 'DE70500999000004712918')
) AS given (account_id, iban) WHERE accounts.account_id = given.account_id;

INSERT INTO accounts (account_id, currency, kind) VALUES
    ('BANK-CLEARING-USD', 'USD', 'internal'), ('BANK-CLEARING-EUR', 'EUR', 'internal');

-- Accounts at other banks that this one has heard of, and what becomes of payments to them.
CREATE TABLE external_accounts (
    account_id text PRIMARY KEY CHECK (account_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    iban       text NOT NULL UNIQUE CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'),
    holder     text NOT NULL,
    bank       text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('settled', 'rejected', 'returned')),
    reason     text CHECK (reason ~ '^[A-Z]{2}[A-Z0-9]{2}$'), -- of ISO 20022's external status and return reasons
    CHECK ((outcome = 'settled') = (reason IS NULL))
);
INSERT INTO external_accounts (account_id, iban, holder, bank, outcome, reason) VALUES
    ('EXT001', 'GB29NWBK60161331926819', 'Northwind Utilities Ltd', 'Thameside Bank', 'settled', NULL),
    ('EXT002', 'DE89370400440532013000', 'Rhenus Freight GmbH', 'Kölner Handelsbank', 'rejected', 'AC04'),
    ('EXT003', 'NL91ABNA0417164300', 'Meridian Furniture B.V.', 'Bank aan de Amstel', 'returned', 'FOCR'),
    ('EXT004', 'FR1420041010050500013M02606', 'Boulangerie Lemaire SARL', 'Crédit de Seine', 'settled', NULL),
    ('EXT005', 'AT611904300234573201', 'Alpenblick Hotel KG', 'Tiroler Sparhaus', 'rejected', 'RR04'),
    ('EXT006', 'ES9121000418450200051332', 'Talleres Ibarra S.L.', 'Banco del Ebro', 'returned', 'MD07');

-- expects: what the next step will be, a while after step_at; NULL once nothing more comes.
ALTER TABLE transfers
    DROP CONSTRAINT transfers_status_check,
    ALTER COLUMN destination_account DROP NOT NULL,
    ADD COLUMN external_account text REFERENCES external_accounts,
    ADD COLUMN creditor_name text CHECK (length(creditor_name) <= 70),
    ADD COLUMN creditor_iban text,
    ADD COLUMN reason text,
    ADD COLUMN expects text CHECK (expects IN ('settled', 'rejected', 'returned')),
    ADD COLUMN step_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT transfers_status_check CHECK (status IN ('submitted', 'settled', 'rejected', 'returned')),
    ADD CONSTRAINT transfers_go_here_or_elsewhere CHECK ((destination_account IS NULL) = (creditor_iban IS NOT NULL)),
    ADD CONSTRAINT transfers_here_are_settled CHECK (destination_account IS NULL OR status = 'settled'),
    ADD CONSTRAINT transfers_submitted_expect_something CHECK (status <> 'submitted' OR expects IS NOT NULL);
CREATE INDEX transfers_to_step ON transfers (step_at) WHERE expects IS NOT NULL;
CREATE INDEX transfers_of_source ON transfers (source_account, created_at);

CREATE TABLE transfer_steps (
    transfer_id    text NOT NULL REFERENCES transfers,
    status         text NOT NULL CHECK (status IN ('submitted', 'settled', 'rejected', 'returned')),
    transaction_id bigint NOT NULL UNIQUE REFERENCES transactions,
    reason         text,
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transfer_id, status)
);
INSERT INTO transfer_steps (transfer_id, status, transaction_id, at)
SELECT transfer_id, status, transaction_id, created_at FROM transfers;
CREATE TRIGGER transfer_steps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
