-- Whose requests were: the caller's API key, or nobody's for what the bank does by itself (standing orders).

ALTER TABLE requests
    ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN key_id text;
UPDATE requests SET key_id = 'root' WHERE idempotency_key !~ '^sto_[0-9a-f]+:';
CREATE INDEX requests_of_key ON requests (key_id, seq);
