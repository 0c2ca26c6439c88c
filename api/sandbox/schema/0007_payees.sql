-- Whom a customer pays, and what confirmation of payee said when they were added.

ALTER TABLE external_accounts ADD COLUMN confirms boolean NOT NULL DEFAULT true; -- whether its bank answers about names
UPDATE external_accounts SET confirms = false WHERE account_id IN ('EXT005', 'EXT006');

CREATE TABLE payees (
    payee_id        text PRIMARY KEY CHECK (payee_id ~ '^pye_[0-9a-f]{32}$'),
    idempotency_key text UNIQUE REFERENCES requests,
    customer_id     text NOT NULL REFERENCES customers,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 70),
    account         text CHECK (account ~ '^[A-Za-z0-9_-]{1,64}$'),
    iban            text CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'),
    confirmation    text NOT NULL CHECK (confirmation IN ('match', 'close_match', 'no_match', 'unavailable')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    removed_at      timestamptz,
    CHECK (num_nonnulls(account, iban) >= 1)
);
CREATE INDEX payees_of_customer ON payees (customer_id, created_at);

INSERT INTO payees (payee_id, customer_id, name, account, iban, confirmation) VALUES
    ('pye_00000000000000000000000000000001', 'cust_1001', 'Marcus Okafor', 'ACC002', 'DE32500999000004711274', 'match'),
    ('pye_00000000000000000000000000000002', 'cust_1001', 'Northwind Utilities', 'EXT001', 'GB29NWBK60161331926819',
     'match'),
    ('pye_00000000000000000000000000000003', 'cust_2002', 'Meridian Furniture', 'EXT003', 'NL91ABNA0417164300',
     'match'),
    ('pye_00000000000000000000000000000004', 'cust_1005', 'Hotel Alpenblick', 'EXT005', 'AT611904300234573201',
     'unavailable');
