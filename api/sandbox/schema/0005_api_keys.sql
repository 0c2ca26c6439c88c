-- Who may call, and what for. The key that the bank was started with has every scope and no hash here.

CREATE TABLE api_keys (
    key_id     text PRIMARY KEY CHECK (key_id ~ '^(root|key_[0-9a-f]{16})$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key_sha256 text UNIQUE CHECK (key_sha256 ~ '^[0-9a-f]{64}$'),
    scopes     text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'transfer', 'holds', 'loans', 'admin']),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CHECK ((key_id = 'root') = (key_sha256 IS NULL))
);
INSERT INTO api_keys (key_id, name, scopes)
VALUES ('root', 'the key that the bank was started with', ARRAY['read', 'transfer', 'holds', 'loans', 'admin']);
