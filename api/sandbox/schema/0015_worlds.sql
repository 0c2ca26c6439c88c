-- Worlds loaded from files, each once, and what customers keep at the bank.

CREATE TABLE worlds (
    sha256    text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    checksums boolean NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE files (
    customer_id text NOT NULL REFERENCES customers,
    path        text NOT NULL CHECK (length(path) BETWEEN 1 AND 200),
    content     text NOT NULL CHECK (length(content) <= 100000),
    PRIMARY KEY (customer_id, path)
);
