-- The seeded customers have known their payees for a while.

UPDATE payees SET created_at = now() - INTERVAL '400 days' WHERE payee_id LIKE 'pye\_0000000000000000000000000000%';
