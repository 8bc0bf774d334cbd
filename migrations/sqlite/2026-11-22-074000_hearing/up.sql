-- When a channel is compared with what its core remembers: a webhook that got lost is not repeated, and what it told stands there.
CREATE TABLE hearing (
    channel_id TEXT PRIMARY KEY NOT NULL REFERENCES channel (id),
    portal_id TEXT NOT NULL REFERENCES portal (id),
    -- The next time.
    look_at BIGINT NOT NULL,
    -- What the core remembers from before this moment has been brought here.
    complete_to BIGINT NOT NULL
);
CREATE INDEX hearing_look ON hearing (look_at);
