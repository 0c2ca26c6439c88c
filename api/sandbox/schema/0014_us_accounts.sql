-- Accounts at other banks that are named by routing number.

ALTER TABLE external_accounts
    ALTER COLUMN iban DROP NOT NULL,
    ADD COLUMN routing_number text CHECK (routing_number ~ '^[0-9]{9}$'),
    ADD COLUMN account_number text CHECK (account_number ~ '^[0-9]{4,17}$'),
    ADD UNIQUE (routing_number, account_number),
    ADD CHECK (num_nonnulls(iban, routing_number) = 1),
    ADD CHECK ((routing_number IS NULL) = (account_number IS NULL));
INSERT INTO external_accounts (account_id, routing_number, account_number, holder, bank, outcome, reason, confirms) VALUES
    ('EXT101', '123456780', '0012345678', 'Lakeside Property Management LLC', 'First Lakeside Bank', 'settled', NULL, true),
    ('EXT102', '123456780', '990011', 'Prairie Machine Works Inc.', 'First Lakeside Bank', 'rejected', 'AC04', true),
    ('EXT103', '012345672', '44410200', 'Harbor Dental Group', 'Old Harbor Trust', 'returned', 'FOCR', false);

ALTER TABLE transfers
    ADD COLUMN creditor_routing_number text,
    ADD COLUMN creditor_account_number text,
    DROP CONSTRAINT transfers_go_here_or_elsewhere,
    ADD CONSTRAINT transfers_go_here_or_elsewhere
        CHECK (num_nonnulls(destination_account, creditor_iban, creditor_routing_number) = 1),
    ADD CHECK ((creditor_routing_number IS NULL) = (creditor_account_number IS NULL)),
    ADD CONSTRAINT transfers_by_routing_number_are_of_dollars CHECK (creditor_routing_number IS NULL OR currency = 'USD');

ALTER TABLE payees
    ADD COLUMN routing_number text CHECK (routing_number ~ '^[0-9]{9}$'),
    ADD COLUMN account_number text CHECK (account_number ~ '^[0-9]{4,17}$'),
    DROP CONSTRAINT payees_check,
    ADD CHECK (num_nonnulls(account, iban, routing_number) >= 1),
    ADD CHECK ((routing_number IS NULL) = (account_number IS NULL));
