-- When a person had its failed parts sent again: that is offered once.
ALTER TABLE message ADD COLUMN retried_at BIGINT;
