-- Conversations of the copilot, and tasks of agents that speak MCP.

-- The bank's customers whose records a key may read; staff of the bank's own tenant need none.
ALTER TABLE api_keys ADD COLUMN customers text[] NOT NULL DEFAULT '{}';

-- Below: the copilot's.

-- What a conversation started or noted, and by whose word: `typed` by the user outright, at most one for each of their
-- messages, or `confirmed` by them as it was shown. Written before it is done, so that it is done once.
CREATE TABLE copilot_deeds (
    tenant_id text NOT NULL,
    thread_id uuid NOT NULL REFERENCES threads ON DELETE CASCADE,
    key text NOT NULL,
    by_word text NOT NULL CHECK (by_word IN ('typed', 'confirmed')),
    message_id text NOT NULL,
    tool text NOT NULL,
    target text NOT NULL,
    input jsonb NOT NULL,
    input_sha256 text NOT NULL CHECK (input_sha256 ~ '^[0-9a-f]{64}$'),
    sources jsonb NOT NULL,
    done_as uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (thread_id, key)
);
CREATE UNIQUE INDEX copilot_deeds_once_a_message ON copilot_deeds (thread_id, message_id) WHERE by_word = 'typed';
