-- What was chosen for a channel while it was connected: it is so again when it is connected anew, wherever.
CREATE TABLE kept_settings (
    portal_id TEXT NOT NULL REFERENCES portal (id),
    channel_id TEXT NOT NULL REFERENCES channel (id),
    connector TEXT NOT NULL,
    settings TEXT NOT NULL,
    hook_key_sealed TEXT,
    PRIMARY KEY (portal_id, channel_id, connector)
);
