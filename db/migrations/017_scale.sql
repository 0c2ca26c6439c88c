-- What many threads need.

-- A thread's copy has the same checkpoints, and LangGraph makes a task's id of its checkpoint's: it takes both to tell
-- a task. The key also finds a thread's tasks.
ALTER TABLE tasks DROP CONSTRAINT tasks_pkey;
ALTER TABLE tasks ADD PRIMARY KEY (thread_id, task_id);
DROP INDEX tasks_by_thread;

-- Threads are listed by their last change, unless asked otherwise: else each list would sort all of the tenant's. The
-- price is that a change of a thread is an entry in each of its indexes: a twentieth of a small run's log.
CREATE INDEX threads_by_change ON threads (tenant_id, greatest(updated_at, edited_at) DESC, thread_id DESC);
