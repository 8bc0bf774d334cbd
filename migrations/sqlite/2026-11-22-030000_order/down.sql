DROP INDEX delivery_lane;
CREATE INDEX delivery_lane ON delivery (lane, id) WHERE state IN ('queued', 'waiting', 'sending', 'parked');
ALTER TABLE delivery DROP COLUMN place;
