-- Nodes: processes that work on this database. A portal's work is done by one of them at a time.

CREATE TABLE node (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- The same over restarts on one data folder.
    name TEXT NOT NULL,
    -- Grows as long as the node lives.
    beat BIGINT NOT NULL,
    UNIQUE (name)
);

-- Who works for the portal; null: nobody yet.
ALTER TABLE portal ADD COLUMN node_id BIGINT;
-- Grows whenever another node takes over: results of an older one are not believed.
ALTER TABLE portal ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
DROP INDEX portal_ready;
CREATE INDEX portal_ready ON portal (node_id, ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX portal_node ON portal (node_id) WHERE node_id IS NOT NULL;

CREATE INDEX delivery_sending ON delivery (portal_id) WHERE state = 'sending';
-- Whether an older item of a source waits for another time is asked for every item.
DROP INDEX inbox_waiting;
CREATE INDEX inbox_waiting ON inbox (portal_id, source, due_at) WHERE state = 'new';
