-- The key with which what is told to the customer's own system is signed, sealed.
ALTER TABLE binding ADD COLUMN hook_key_sealed TEXT;
