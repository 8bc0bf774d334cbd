-- The password, sealed, if its owner has consented: with it the server logs in again by itself.
ALTER TABLE login ADD COLUMN password_sealed TEXT;
-- How many tokens were asked for by password since when: ChatApp gives out only so many a day.
ALTER TABLE login ADD COLUMN issued BIGINT NOT NULL DEFAULT 0;
ALTER TABLE login ADD COLUMN issued_since BIGINT NOT NULL DEFAULT 0;
-- The node that renews the tokens now: a refresh token works once, so no two may use it.
ALTER TABLE login ADD COLUMN refreshing BIGINT;
-- When it is read again which channels the login may use, and until when they are paid.
ALTER TABLE login ADD COLUMN look_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX login_look ON login (look_at);
