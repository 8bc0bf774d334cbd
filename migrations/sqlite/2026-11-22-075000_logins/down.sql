DROP INDEX login_look;
ALTER TABLE login DROP COLUMN look_at;
ALTER TABLE login DROP COLUMN refreshing;
ALTER TABLE login DROP COLUMN issued_since;
ALTER TABLE login DROP COLUMN issued;
ALTER TABLE login DROP COLUMN password_sealed;
