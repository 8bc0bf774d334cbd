-- By this one number the log is searched for everything that became of one accepted thing.
ALTER TABLE delivery ADD COLUMN trace BIGINT;
