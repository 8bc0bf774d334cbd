ALTER TABLE message DROP COLUMN retried_at;
