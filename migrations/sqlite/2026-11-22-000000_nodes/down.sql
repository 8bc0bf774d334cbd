DROP INDEX inbox_waiting;
CREATE INDEX inbox_waiting ON inbox (portal_id, source, id) WHERE state = 'new';
DROP INDEX delivery_sending;
DROP INDEX portal_node;
DROP INDEX portal_ready;
CREATE INDEX portal_ready ON portal (ready_at) WHERE ready_at IS NOT NULL;
ALTER TABLE portal DROP COLUMN epoch;
ALTER TABLE portal DROP COLUMN node_id;
DROP TABLE node;
