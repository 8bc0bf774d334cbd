DROP INDEX contact_member;
ALTER TABLE contact DROP COLUMN b24_member_id;
ALTER TABLE message DROP COLUMN contact_id;
ALTER TABLE chat DROP COLUMN title;
ALTER TABLE chat DROP COLUMN is_group;
-- The version before knows of no connectors for groups.
DELETE FROM binding WHERE connector LIKE '%groups';
CREATE TABLE binding_before (
    id BIGINT NOT NULL,
    portal_id TEXT NOT NULL,
    installation_id BIGINT NOT NULL,
    channel_id TEXT NOT NULL,
    connector TEXT NOT NULL,
    line BIGINT NOT NULL,
    line_name TEXT NOT NULL,
    signature BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    settings TEXT NOT NULL
);
INSERT INTO binding_before
SELECT id, portal_id, installation_id, channel_id, connector, line, line_name, signature, state, created_at, changed_at, settings FROM binding;
DROP TABLE binding;
CREATE TABLE binding (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    installation_id BIGINT NOT NULL REFERENCES installation (id),
    channel_id TEXT NOT NULL REFERENCES channel (id),
    connector TEXT NOT NULL,
    line BIGINT NOT NULL,
    line_name TEXT NOT NULL,
    signature BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}',
    UNIQUE (portal_id, connector, line),
    UNIQUE (portal_id, channel_id)
);
INSERT INTO binding (id, portal_id, installation_id, channel_id, connector, line, line_name, signature, state, created_at, changed_at, settings)
SELECT id - (SELECT MAX(id) + 1 FROM binding_before), portal_id, installation_id, channel_id, connector, line, line_name, signature, state,
    created_at, changed_at, settings
FROM binding_before;
DROP TABLE binding_before;
