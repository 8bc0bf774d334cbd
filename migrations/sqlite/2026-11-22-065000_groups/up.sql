-- A channel may feed two Open Channels now, by its messenger's connector and by the one for groups: the table is made anew. What goes on
-- under the old ids for a moment, on another node, must not meet another row: the copies get ids of their own.
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
    UNIQUE (portal_id, channel_id, connector)
);
INSERT INTO binding (id, portal_id, installation_id, channel_id, connector, line, line_name, signature, state, created_at, changed_at, settings)
SELECT id - (SELECT MAX(id) + 1 FROM binding_before), portal_id, installation_id, channel_id, connector, line, line_name, signature, state,
    created_at, changed_at, settings
FROM binding_before;
DROP TABLE binding_before;

-- A conversation of many people, and what they call it.
ALTER TABLE chat ADD COLUMN is_group BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE chat ADD COLUMN title TEXT;
-- Who of a group wrote it; in a private chat that is the chat's own contact.
ALTER TABLE message ADD COLUMN contact_id BIGINT REFERENCES contact (id);
-- The portal's user that he is as a member of groups.
ALTER TABLE contact ADD COLUMN b24_member_id BIGINT;
CREATE INDEX contact_member ON contact (portal_id, b24_member_id) WHERE b24_member_id IS NOT NULL;
