-- When the last attempt began that sent something, and did not only ask about an earlier one: before that nothing can have happened.
ALTER TABLE delivery ADD COLUMN tried_at BIGINT;
