ALTER TABLE binding DROP COLUMN settings;
