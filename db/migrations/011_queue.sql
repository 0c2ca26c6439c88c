-- What the job queue needs from us, outside its own code.

-- A burst into a table that was never analysed must not make the planner sort it for each fetch.
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) SET enable_sort = off;
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) SET enable_bitmapscan = off;
ALTER FUNCTION procrastinate_fetch_job_v2(character varying[], bigint) SET enable_seqscan = off;

CREATE INDEX procrastinate_jobs_live_locks ON procrastinate_jobs (lock, status, priority, id)
    WHERE lock IS NOT NULL AND status IN ('todo', 'doing');

ALTER TABLE procrastinate_jobs SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200, autovacuum_analyze_threshold = 200
);
ALTER TABLE procrastinate_events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

-- A job that waited for another's lock, or that was put back, is announced as a new one is; else it waits for a poll.
CREATE FUNCTION notify_job_ready() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ready record;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.status = 'todo' THEN
        IF NEW.scheduled_at IS NULL OR NEW.scheduled_at <= now() THEN
            ready := NEW;
        END IF;
    ELSIF OLD.lock IS NOT NULL THEN
        SELECT id, queue_name INTO ready FROM procrastinate_jobs
            WHERE lock = OLD.lock AND status = 'todo' AND id <> OLD.id ORDER BY priority DESC, id LIMIT 1;
    END IF;
    IF ready.id IS NOT NULL THEN
        PERFORM pg_notify('procrastinate_any_queue_v1',
                          json_build_object('type', 'job_inserted', 'job_id', ready.id)::text);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER job_put_back_or_ended AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND NEW.status <> 'doing') EXECUTE FUNCTION notify_job_ready();
CREATE TRIGGER job_deleted AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing') EXECUTE FUNCTION notify_job_ready();

-- A run's own events say more than the queue's, which cost each job as much again.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_scheduled_events_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_abort_requested_events_v1;
