-- What the bank tells of its own accord. An event is written with what it tells of, and sent afterwards.

CREATE TABLE webhook_endpoints (
    key_id        text PRIMARY KEY REFERENCES api_keys,
    url           text NOT NULL CHECK (length(url) <= 2048),
    secret        text NOT NULL CHECK (secret ~ '^whsec_'),
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- attempts counts those that were begun; until next_at nobody else begins one. withheld: a switch said never to send it.
CREATE TABLE webhook_events (
    event_id   text PRIMARY KEY CHECK (event_id ~ '^evt_[0-9a-f]{32}$'),
    key_id     text NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    type       text NOT NULL,
    data       json NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed', 'withheld')),
    attempts   integer NOT NULL DEFAULT 0,
    next_at    timestamptz NOT NULL DEFAULT now(),
    error      text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_events_to_send ON webhook_events (next_at) WHERE status = 'pending';
CREATE INDEX webhook_events_of_key ON webhook_events (key_id, created_at);
