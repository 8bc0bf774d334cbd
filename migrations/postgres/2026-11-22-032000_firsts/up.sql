-- When the channel may write to somebody new again; only channels that must not do so too often have one.
ALTER TABLE channel ADD COLUMN first_at BIGINT NOT NULL DEFAULT 0;
-- Whether somebody is new is asked by his phone.
CREATE INDEX contact_phone ON contact (portal_id, phone) WHERE phone IS NOT NULL;
