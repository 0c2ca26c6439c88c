-- Conversations of the copilot, and tasks of agents that speak MCP.

-- The bank's customers whose records a key may read; staff of the bank's own tenant need none.
ALTER TABLE api_keys ADD COLUMN customers text[] NOT NULL DEFAULT '{}';

-- Below: the copilot's.
