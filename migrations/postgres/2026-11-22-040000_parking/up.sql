-- When a portal was parked last, how often it has been looked at since, and whether it has come back.
CREATE TABLE parking (
    portal_id TEXT PRIMARY KEY NOT NULL REFERENCES portal (id),
    parked_at BIGINT NOT NULL,
    -- Null while it is parked.
    resumed_at BIGINT,
    looks INTEGER NOT NULL
);

-- Whom a portal's notices are for: administrators who have opened one of our pages.
CREATE TABLE administrator (
    portal_id TEXT NOT NULL REFERENCES portal (id),
    user_id BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (portal_id, user_id)
);
INSERT INTO administrator (portal_id, user_id, seen_at)
SELECT portal_id, user_id, MAX(changed_at) FROM grants GROUP BY portal_id, user_id;
INSERT INTO parking (portal_id, parked_at, resumed_at, looks)
SELECT id, changed_at, NULL, 0 FROM portal WHERE state = 'parked';
