-- Standing orders are changed and cancelled by key, each version of one kept; customers' contact data and credentials.

ALTER TABLE standing_orders
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    ADD COLUMN number  integer CHECK (number >= 1); -- among its account's, for people
UPDATE standing_orders s SET number = n.number
FROM (SELECT standing_order_id, row_number() OVER (PARTITION BY source_account ORDER BY created_at, standing_order_id)
             AS number FROM standing_orders) n
WHERE n.standing_order_id = s.standing_order_id;
ALTER TABLE standing_orders ALTER COLUMN number SET NOT NULL, ADD UNIQUE (source_account, number);

CREATE FUNCTION number_standing_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.number := coalesce(NEW.number, (SELECT coalesce(max(number), 0) + 1 FROM standing_orders
                                        WHERE source_account = NEW.source_account));
    RETURN NEW;
END
$$;
CREATE TRIGGER standing_orders_numbered BEFORE INSERT ON standing_orders
    FOR EACH ROW EXECUTE FUNCTION number_standing_order();

CREATE TABLE standing_order_versions (
    standing_order_id text NOT NULL REFERENCES standing_orders,
    version           integer NOT NULL,
    status            text NOT NULL,
    source_account    text NOT NULL,
    transfer_order    json NOT NULL,
    interval_unit     text NOT NULL,
    first_on          date NOT NULL,
    last_on           date,
    at                timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (standing_order_id, version)
);
CREATE FUNCTION keep_standing_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO standing_order_versions
    VALUES (NEW.standing_order_id, NEW.version, NEW.status, NEW.source_account, NEW.transfer_order, NEW.interval_unit,
            NEW.first_on, NEW.last_on);
    RETURN NULL;
END
$$;
CREATE TRIGGER standing_orders_kept AFTER INSERT OR UPDATE OF version ON standing_orders
    FOR EACH ROW EXECUTE FUNCTION keep_standing_order();

ALTER TABLE customers
    ADD COLUMN phone           text CHECK (length(phone) BETWEEN 3 AND 40),
    ADD COLUMN contact_version integer NOT NULL DEFAULT 1 CHECK (contact_version >= 1);

-- What a customer signs in with: never itself, only scrypt of it under a salt of its own. What is staged does nothing
-- until it is taken, once and in time.
CREATE TABLE credentials (
    customer_id text PRIMARY KEY REFERENCES customers,
    salt        bytea NOT NULL CHECK (length(salt) = 16),
    hash        bytea NOT NULL CHECK (length(hash) = 32),
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE staged_credentials (
    staged_id   text PRIMARY KEY CHECK (staged_id ~ '^stg_[0-9a-f]{32}$'),
    customer_id text NOT NULL REFERENCES customers,
    salt        bytea NOT NULL CHECK (length(salt) = 16),
    hash        bytea NOT NULL CHECK (length(hash) = 32),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_check,
    ADD CONSTRAINT api_keys_scopes_check
        CHECK (scopes <@ ARRAY['read', 'transfer', 'holds', 'loans', 'custody', 'settings', 'admin']);
UPDATE api_keys SET scopes = ARRAY['read', 'transfer', 'holds', 'loans', 'custody', 'settings', 'admin']
WHERE key_id = 'root';
