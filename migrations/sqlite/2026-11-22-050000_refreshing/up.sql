-- The node that refreshes the grant now: a refresh token works once, so no two may use it.
ALTER TABLE grants ADD COLUMN refreshing BIGINT;
