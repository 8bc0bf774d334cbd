-- What was chosen for the connected channel, as JSON; what is not there is as it is by default.
ALTER TABLE binding ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
