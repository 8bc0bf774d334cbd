DROP INDEX chat_active;
DROP INDEX chat_look;
ALTER TABLE chat DROP COLUMN look_at;
