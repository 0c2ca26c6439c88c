"""The durable spine: runs, tasks, events, effects, reviews and audit in PostgreSQL. Knows no workflow."""
