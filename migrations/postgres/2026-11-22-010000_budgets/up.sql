-- Calls that portals have counted: their leaky buckets, so that a restart does not begin with empty ones.
CREATE TABLE bucket (
    portal_id TEXT PRIMARY KEY NOT NULL,
    -- When it will have leaked empty if nobody calls.
    empty_at BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    -- Written at a proper stop: there were no calls after it.
    clean BOOLEAN NOT NULL
);
