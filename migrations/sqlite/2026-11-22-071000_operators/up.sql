-- Whose a chat was when it was last compared with its CRM cards, and when that changed something.
CREATE TABLE chat_operator (
    chat_id BIGINT NOT NULL PRIMARY KEY REFERENCES chat (id),
    portal_id TEXT NOT NULL REFERENCES portal (id),
    user_id BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX chat_operator_portal ON chat_operator (portal_id);
