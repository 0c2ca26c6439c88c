-- Tasks of agents, market events and their follow-ups, and interactions with clients.

-- Work for an agent of a named kind, claimed under a lease and completed once. A task that a case handed out
-- (`thread_id`) can be claimed while that case waits for it. A lease that runs out has used up one of `claims_left`.
CREATE TABLE client_tasks (
    tenant_id text NOT NULL,
    task_id uuid NOT NULL,
    client_id text NOT NULL,
    agent_name text NOT NULL CHECK (agent_name <> ''),
    payload jsonb NOT NULL,
    request_sha256 text NOT NULL,
    thread_id uuid REFERENCES threads,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    claims integer NOT NULL DEFAULT 0,
    claims_left integer NOT NULL CHECK (claims_left >= 0),
    claimed_by text,
    lease_token uuid,
    lease_until timestamptz,
    result jsonb,
    result_sha256 text,
    completed_by text,
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, task_id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients,
    CHECK (num_nonnulls(claimed_by, lease_token, lease_until) IN (0, 3)),
    CHECK (num_nonnulls(result, result_sha256, completed_by, completed_at) IN (0, 4))
);
CREATE INDEX client_tasks_to_do ON client_tasks (tenant_id, agent_name, created_at) WHERE completed_at IS NULL;
CREATE INDEX client_tasks_of_client ON client_tasks (tenant_id, client_id, created_at DESC);
CREATE INDEX client_tasks_of_thread ON client_tasks (thread_id) WHERE thread_id IS NOT NULL;

CREATE FUNCTION refuse_second_result() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % is completed', OLD.task_id USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER client_tasks_complete_once BEFORE UPDATE OR DELETE ON client_tasks
    FOR EACH ROW WHEN (OLD.completed_at IS NOT NULL) EXECUTE FUNCTION refuse_second_result();

-- What clients hold, as custody last said it: what events are matched with, and no book of record. Values are in one
-- currency, whatever the instrument's; null without a rate to it.
CREATE TABLE client_holdings (
    tenant_id text NOT NULL,
    client_id text NOT NULL,
    custody_account_id text NOT NULL,
    instrument_id text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    asset_class text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity > 0),
    value_minor bigint CHECK (value_minor >= 0),
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, client_id, custody_account_id, instrument_id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients
);
CREATE INDEX client_holdings_by_instrument ON client_holdings (tenant_id, instrument_id);
CREATE INDEX client_holdings_by_class ON client_holdings (tenant_id, asset_class, currency);
CREATE INDEX client_holdings_by_age ON client_holdings (tenant_id, as_of);

-- Each time all of custody was read. `as_of` is when the first account was.
CREATE TABLE holdings_refreshes (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL REFERENCES tenants,
    as_of timestamptz NOT NULL,
    accounts integer NOT NULL CHECK (accounts >= 0),
    positions integer NOT NULL CHECK (positions >= 0),
    unvalued integer NOT NULL CHECK (unvalued BETWEEN 0 AND positions),
    finished_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX holdings_refreshes_latest ON holdings_refreshes (tenant_id, as_of DESC);

CREATE TABLE market_events (
    tenant_id text NOT NULL,
    event_id text NOT NULL,
    thread_id uuid NOT NULL UNIQUE REFERENCES threads,
    kind text NOT NULL CHECK (kind IN ('price_shock', 'downgrade', 'corporate_action', 'rate_change')),
    event jsonb NOT NULL,
    event_sha256 text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    found_at timestamptz,
    holdings_as_of timestamptz,
    PRIMARY KEY (tenant_id, event_id)
);

-- One follow-up for an event and a client; `thread_id` names its case before that is started.
CREATE TABLE market_event_clients (
    tenant_id text NOT NULL,
    event_id text NOT NULL,
    client_id text NOT NULL,
    place integer NOT NULL CHECK (place > 0),
    exposure jsonb NOT NULL,
    exposure_bps integer NOT NULL CHECK (exposure_bps BETWEEN 0 AND 10000),
    thread_id uuid UNIQUE,
    PRIMARY KEY (tenant_id, event_id, client_id),
    UNIQUE (tenant_id, event_id, place),
    FOREIGN KEY (tenant_id, event_id) REFERENCES market_events,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients
);

CREATE TABLE interactions (
    interaction_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    client_id text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('phone', 'email', 'meeting', 'chat', 'letter')),
    occurred_at timestamptz NOT NULL,
    summary text NOT NULL CHECK (summary <> ''),
    promised text[] NOT NULL,
    note text NOT NULL,
    person text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients
);
CREATE INDEX interactions_of_client ON interactions (tenant_id, client_id, occurred_at DESC);

CREATE TABLE interaction_follow_ups (
    interaction_id uuid NOT NULL REFERENCES interactions,
    number integer NOT NULL CHECK (number > 0),
    tenant_id text NOT NULL,
    text text NOT NULL CHECK (text <> ''),
    owner text NOT NULL,
    due_on date NOT NULL,
    done_by text,
    done_at timestamptz,
    PRIMARY KEY (interaction_id, number),
    CHECK ((done_by IS NULL) = (done_at IS NULL))
);
CREATE INDEX interaction_follow_ups_open ON interaction_follow_ups (tenant_id, due_on) WHERE done_at IS NULL;

-- What is told to clients is searched apart from what is not, or a search would tell them what notes hold. No language
-- is assumed: names and ISINs must be found, too.
CREATE FUNCTION words_of(summary text, promised text[]) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT to_tsvector('simple', summary || ' ' || array_to_string(promised, ' '))
$$;
CREATE INDEX interactions_by_word ON interactions USING gin (words_of(summary, promised));
CREATE INDEX interactions_by_noted_word ON interactions USING gin (to_tsvector('simple', note));
