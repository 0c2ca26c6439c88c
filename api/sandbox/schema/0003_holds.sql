-- Money set aside without being moved. What can be spent is booked + overdraft limit - held, and never below zero.

ALTER TABLE accounts
    ADD COLUMN held_minor bigint NOT NULL DEFAULT 0 CHECK (held_minor >= 0),
    DROP CONSTRAINT balance_within_limit,
    ADD CONSTRAINT balance_within_limit
        CHECK (kind = 'internal' OR booked_minor - held_minor >= -overdraft_limit_minor);

CREATE TABLE holds (
    hold_id         text PRIMARY KEY CHECK (hold_id ~ '^hld_[0-9a-f]{32}$'),
    idempotency_key text NOT NULL UNIQUE REFERENCES requests,
    account_id      text NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 1000000000000),
    reason          text NOT NULL CHECK (length(reason) <= 140),
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'captured', 'voided', 'expired')),
    captured_minor  bigint NOT NULL DEFAULT 0 CHECK (captured_minor BETWEEN 0 AND amount_minor),
    transfer_id     text UNIQUE REFERENCES transfers DEFERRABLE INITIALLY DEFERRED, -- booked once the hold is over
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    FOREIGN KEY (account_id, currency) REFERENCES accounts (account_id, currency),
    CHECK ((status = 'active') = (ended_at IS NULL)),
    CHECK ((status = 'captured') = (captured_minor > 0 AND transfer_id IS NOT NULL))
);
CREATE INDEX holds_of_account ON holds (account_id, created_at);
CREATE INDEX holds_to_expire ON holds (expires_at) WHERE status = 'active';

-- A hold is active once, from its beginning; whoever ends one holds the account's lock first.
CREATE FUNCTION move_held() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE accounts SET held_minor = held_minor + NEW.amount_minor WHERE account_id = NEW.account_id;
        RETURN NULL;
    END IF;
    IF OLD.status <> 'active'
        OR (NEW.account_id, NEW.currency, NEW.amount_minor) <> (OLD.account_id, OLD.currency, OLD.amount_minor) THEN
        RAISE EXCEPTION 'hold % can only be ended, and only once', OLD.hold_id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status <> 'active' THEN
        UPDATE accounts SET held_minor = held_minor - OLD.amount_minor WHERE account_id = OLD.account_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER holds_move_held AFTER INSERT OR UPDATE ON holds FOR EACH ROW EXECUTE FUNCTION move_held();
CREATE TRIGGER holds_stay BEFORE DELETE OR TRUNCATE ON holds FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
