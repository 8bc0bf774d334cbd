ALTER TABLE binding DROP COLUMN hook_key_sealed;
