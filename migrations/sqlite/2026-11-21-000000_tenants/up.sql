-- The tenant schema. Twin of the other database's file: only the type of generated ids differs.
-- Times are milliseconds since 1970 UTC. Columns named *_sealed hold what secret::Keys::seal made.

CREATE TABLE portal (
    id TEXT PRIMARY KEY NOT NULL,
    domain TEXT NOT NULL,
    client_endpoint TEXT NOT NULL,
    server_endpoint TEXT NOT NULL,
    lang TEXT NOT NULL,
    state TEXT NOT NULL,
    -- When its next delivery can run; null when none waits. Never before gated_until.
    ready_at BIGINT,
    gated_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX portal_ready ON portal (ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE installation (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    client_id TEXT NOT NULL,
    state TEXT NOT NULL,
    application_token_sealed TEXT,
    token_confirmed BOOLEAN NOT NULL,
    nonce TEXT,
    scope TEXT NOT NULL,
    session_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (portal_id, client_id)
);

CREATE TABLE grants (
    installation_id BIGINT PRIMARY KEY NOT NULL REFERENCES installation (id),
    portal_id TEXT NOT NULL REFERENCES portal (id),
    access_sealed TEXT NOT NULL,
    refresh_sealed TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE provision (
    installation_id BIGINT NOT NULL REFERENCES installation (id),
    step TEXT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (installation_id, step)
);

CREATE TABLE login (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    email TEXT NOT NULL,
    app_id TEXT NOT NULL,
    access_sealed TEXT NOT NULL,
    access_until BIGINT NOT NULL,
    refresh_sealed TEXT NOT NULL,
    refresh_until BIGINT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (portal_id, email, app_id)
);

CREATE TABLE channel (
    id TEXT PRIMARY KEY NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    core TEXT NOT NULL,
    connector TEXT NOT NULL,
    account TEXT NOT NULL,
    title TEXT NOT NULL,
    own_name TEXT,
    link TEXT,
    login_id BIGINT REFERENCES login (id),
    valid_until BIGINT,
    secret_sealed TEXT,
    webhook_hash TEXT,
    intake TEXT NOT NULL,
    poll_offset BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (portal_id, core, connector, account)
);

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
    UNIQUE (portal_id, connector, line),
    UNIQUE (portal_id, channel_id)
);

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL,
    source TEXT NOT NULL,
    dedup_key TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    due_at BIGINT NOT NULL,
    error TEXT,
    received_at BIGINT NOT NULL,
    UNIQUE (portal_id, source, dedup_key)
);
CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';
CREATE INDEX inbox_waiting ON inbox (portal_id, source, id) WHERE state = 'new';

CREATE TABLE contact (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    connector TEXT NOT NULL,
    person TEXT NOT NULL,
    name TEXT,
    phone TEXT,
    username TEXT,
    link TEXT,
    picture TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (portal_id, connector, person)
);

CREATE TABLE chat (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    channel_id TEXT NOT NULL REFERENCES channel (id),
    contact_id BIGINT REFERENCES contact (id),
    peer TEXT NOT NULL,
    b24_chat_id BIGINT,
    b24_user_id BIGINT,
    last_message_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (portal_id, channel_id, peer)
);
CREATE INDEX chat_contact ON chat (portal_id, contact_id);

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    chat_id BIGINT NOT NULL REFERENCES chat (id),
    direction TEXT NOT NULL,
    origin TEXT NOT NULL,
    source_key TEXT NOT NULL,
    author BIGINT,
    b24_message_id BIGINT,
    b24_chat_id BIGINT,
    progress TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (portal_id, chat_id, direction, source_key)
);

CREATE TABLE media (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    channel_id TEXT REFERENCES channel (id),
    origin TEXT NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    size BIGINT,
    stored TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE part (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    message_id BIGINT NOT NULL REFERENCES message (id),
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    media_id BIGINT REFERENCES media (id),
    core_id TEXT,
    UNIQUE (message_id, position)
);
CREATE INDEX part_core ON part (portal_id, core_id) WHERE core_id IS NOT NULL;

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    installation_id BIGINT NOT NULL REFERENCES installation (id),
    code TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    token_sealed TEXT NOT NULL,
    waits BOOLEAN NOT NULL,
    document TEXT NOT NULL,
    outcomes TEXT NOT NULL,
    comment BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (portal_id, token_hash)
);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    message_id BIGINT REFERENCES message (id),
    part_id BIGINT REFERENCES part (id),
    run_id BIGINT REFERENCES run (id),
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    -- An attempt may have succeeded without our seeing it: ask before trying again.
    uncertain BOOLEAN NOT NULL,
    told TEXT,
    error TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- Only the head of a lane is 'waiting'; what comes after it is 'queued'.
CREATE INDEX delivery_lane ON delivery (lane, id) WHERE state IN ('queued', 'waiting', 'sending', 'parked');
CREATE INDEX delivery_due ON delivery (portal_id, priority, due_at, id) WHERE state IN ('waiting', 'parked');
CREATE INDEX delivery_run ON delivery (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX delivery_message ON delivery (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    portal_id TEXT NOT NULL REFERENCES portal (id),
    delivery_id BIGINT NOT NULL REFERENCES delivery (id),
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT,
    error TEXT
);
CREATE INDEX attempt_delivery ON attempt (delivery_id);
