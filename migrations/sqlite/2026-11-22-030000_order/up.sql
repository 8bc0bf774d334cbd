-- Where a delivery stands in its lane, before the order in which they came: an operator's message stands by the portal's number of it.
ALTER TABLE delivery ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
DROP INDEX delivery_lane;
CREATE INDEX delivery_lane ON delivery (lane, place, id) WHERE state IN ('queued', 'waiting', 'sending', 'parked');
