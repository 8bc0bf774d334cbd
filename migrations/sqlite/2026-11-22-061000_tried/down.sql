ALTER TABLE delivery DROP COLUMN tried_at;
