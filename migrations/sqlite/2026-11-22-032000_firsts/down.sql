DROP INDEX contact_phone;
ALTER TABLE channel DROP COLUMN first_at;
