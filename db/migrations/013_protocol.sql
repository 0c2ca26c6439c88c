-- What LangGraph's protocol adds: assistants with their versions, and what a thread may be asked and told.

-- A graph with a configuration. The one that stands for a graph itself has an id made of the graph's name, so each
-- tenant has its own row of it.
CREATE TABLE assistants (
    tenant_id text NOT NULL REFERENCES tenants,
    assistant_id uuid NOT NULL,
    graph_id text NOT NULL,
    name text NOT NULL,
    description text,
    config jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, assistant_id)
);

CREATE TABLE assistant_versions (
    tenant_id text NOT NULL,
    assistant_id uuid NOT NULL,
    version integer NOT NULL,
    graph_id text NOT NULL,
    name text NOT NULL,
    description text,
    config jsonb NOT NULL,
    context jsonb NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, assistant_id, version),
    FOREIGN KEY (tenant_id, assistant_id) REFERENCES assistants ON DELETE CASCADE
);

-- `updated_at` speaks of the thread's runs and state; `edited_at` of what a client wrote on it since.
ALTER TABLE threads
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN ttl_minutes double precision CHECK (ttl_minutes > 0),
    ADD COLUMN ttl_strategy text CHECK (ttl_strategy IN ('delete', 'keep_latest')),
    ADD COLUMN expires_at timestamptz,
    ADD CHECK ((ttl_minutes IS NULL) = (ttl_strategy IS NULL)),
    ADD CHECK (expires_at IS NULL OR ttl_minutes IS NOT NULL);
CREATE INDEX threads_expiring ON threads (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX threads_by_metadata ON threads USING gin (metadata jsonb_path_ops);
