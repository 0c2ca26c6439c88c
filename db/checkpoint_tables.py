"""The rows of LangGraph's saver, and the statements that store them."""

from db.flush import Table

CHECKPOINTS = Table(
    rows="new_checkpoints",
    columns={
        "thread_id": "text", "checkpoint_ns": "text", "checkpoint_id": "text", "parent_checkpoint_id": "text",
        "checkpoint": "jsonb", "metadata": "jsonb",
    },
    key=3,
    merge=lambda _, later: later,
    statements=(
        """
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
        FROM new_checkpoints
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
        DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
        """,
    ),
)  # fmt: skip
BLOBS = Table(
    rows="new_blobs",
    columns={
        "thread_id": "text", "checkpoint_ns": "text", "channel": "text", "version": "text", "type": "text",
        "blob": "bytea",
    },
    key=4,
    merge=lambda earlier, _: earlier,
    statements=(
        """
        INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT thread_id, checkpoint_ns, channel, version, type, blob FROM new_blobs
        ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
        """,
    ),
)  # fmt: skip
WRITES = Table(
    rows="new_writes",
    columns={
        "thread_id": "text", "checkpoint_ns": "text", "checkpoint_id": "text", "task_id": "text", "idx": "integer",
        "task_path": "text", "channel": "text", "type": "text", "blob": "bytea", "replaces": "boolean",
    },
    key=5,
    merge=lambda earlier, later: later if later[-1] else earlier,
    statements=(
        """
        INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel,
                                       type, blob)
        SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
        FROM new_writes WHERE NOT replaces
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO NOTHING
        """,
        """
        INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel,
                                       type, blob)
        SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
        FROM new_writes WHERE replaces
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
        DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob
        """,
    ),
)  # fmt: skip
