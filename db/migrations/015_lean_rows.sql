-- Fewer bytes for each run.

-- Each of these is the beginning of its table's primary key.
DROP INDEX checkpoints_thread_id_idx;
DROP INDEX checkpoint_blobs_thread_id_idx;
DROP INDEX checkpoint_writes_thread_id_idx;

-- A run's input is compressed JSON (`db/packed.py`): nobody looks into it here, and each change of the run copies it.
ALTER TABLE runs ALTER COLUMN input TYPE bytea USING NULL;

-- A run's row is rewritten once in the usual case, when it ends; a task's is mostly written when it has ended.
ALTER TABLE runs SET (fillfactor = 85);
ALTER TABLE tasks SET (fillfactor = 95);
