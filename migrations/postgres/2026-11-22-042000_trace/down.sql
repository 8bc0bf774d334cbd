ALTER TABLE delivery DROP COLUMN trace;
