-- When a chat is compared with the portal's history: events are sent once, and what was lost stands there.
ALTER TABLE chat ADD COLUMN look_at BIGINT;
CREATE INDEX chat_look ON chat (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX chat_active ON chat (portal_id, last_message_at);
