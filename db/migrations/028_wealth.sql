-- Clients, their suitability profiles, proposals and orders.

CREATE TABLE clients (
    tenant_id text NOT NULL REFERENCES tenants,
    client_id text NOT NULL CHECK (client_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    full_name text NOT NULL CHECK (full_name <> ''),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, client_id)
);

-- What a client said of themselves, or what their answers were assessed to; the latest version counts.
CREATE TABLE suitability_profiles (
    tenant_id text NOT NULL,
    client_id text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    source text NOT NULL CHECK (source IN ('self_declared', 'questionnaire')),
    risk_profile text NOT NULL CHECK (
        risk_profile IN ('conservative', 'moderately_conservative', 'moderate', 'moderately_aggressive', 'aggressive')
    ),
    rule_version text,
    answers jsonb,
    assessment jsonb,
    score integer CHECK (score BETWEEN 0 AND 100),
    assessed_on date,
    valid_until date,
    person text NOT NULL,
    thread_id uuid UNIQUE REFERENCES threads,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, client_id, version),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients,
    CHECK (num_nonnulls(rule_version, answers, assessment, score, assessed_on, valid_until, thread_id)
           = CASE source WHEN 'questionnaire' THEN 7 ELSE 0 END),
    CHECK (valid_until > assessed_on)
);
CREATE INDEX suitability_profiles_by_end ON suitability_profiles (tenant_id, valid_until)
    WHERE valid_until IS NOT NULL;
CREATE TRIGGER suitability_profiles_append_only BEFORE UPDATE OR DELETE ON suitability_profiles
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER suitability_profiles_no_truncate BEFORE TRUNCATE ON suitability_profiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a rebalance was proposed from, as custody and prices were then: the same rows give the same proposal again.
CREATE TABLE holding_snapshots (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    round integer NOT NULL CHECK (round > 0),
    client_id text NOT NULL,
    snapshot jsonb NOT NULL,
    snapshot_sha256 text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, round),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients
);
CREATE TRIGGER holding_snapshots_append_only BEFORE UPDATE OR DELETE ON holding_snapshots
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER holding_snapshots_no_truncate BEFORE TRUNCATE ON holding_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A proposal with its findings, as it was put before an adviser.
CREATE TABLE rebalance_proposals (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL,
    round integer NOT NULL,
    models_version text NOT NULL,
    proposal jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, round),
    FOREIGN KEY (thread_id, round) REFERENCES holding_snapshots
);
CREATE TRIGGER rebalance_proposals_append_only BEFORE UPDATE OR DELETE ON rebalance_proposals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rebalance_proposals_no_truncate BEFORE TRUNCATE ON rebalance_proposals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which accounts are being traded in, so that no two rebalances trade in one at once.
CREATE TABLE rebalanced_accounts (
    tenant_id text NOT NULL,
    custody_account_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    PRIMARY KEY (tenant_id, custody_account_id)
);
CREATE INDEX rebalanced_accounts_of_thread ON rebalanced_accounts (thread_id);

-- Orders that the bank took, to find the case when the bank tells of one.
CREATE TABLE rebalance_orders (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads,
    n integer NOT NULL CHECK (n > 0),
    custody_account_id text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    instrument_id text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity > 0),
    order_id text NOT NULL UNIQUE,
    placed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, n)
);
