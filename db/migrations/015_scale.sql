-- What many threads need.

-- A thread's copy has the same checkpoints, and LangGraph makes a task's id of its checkpoint's: a task is told by both.
ALTER TABLE tasks DROP CONSTRAINT tasks_pkey;
ALTER TABLE tasks ADD PRIMARY KEY (task_id, thread_id);
