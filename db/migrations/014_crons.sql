-- Runs that start again and again. `next_run_date` is when it is due next; whoever moves it on starts the run. Not due
-- any more (past its `end_time`): NULL. Without a thread each run gets one of its own.

CREATE TABLE crons (
    cron_id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    assistant_id uuid NOT NULL,
    thread_id uuid REFERENCES threads ON DELETE CASCADE,
    made_by text NOT NULL,
    schedule text NOT NULL,
    timezone text,
    end_time timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    next_run_date timestamptz,
    on_run_completed text CHECK (on_run_completed IN ('delete', 'keep')),
    payload jsonb NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((thread_id IS NULL) = (on_run_completed IS NOT NULL)),
    FOREIGN KEY (tenant_id, assistant_id) REFERENCES assistants ON DELETE CASCADE
);
CREATE INDEX crons_due ON crons (next_run_date) WHERE enabled;
CREATE INDEX crons_by_tenant ON crons (tenant_id, created_at);
CREATE INDEX crons_by_assistant ON crons (tenant_id, assistant_id);
CREATE INDEX crons_by_thread ON crons (thread_id) WHERE thread_id IS NOT NULL;
