-- What is asked about after it has ended: a page shows it, or it must not be said a second time.
CREATE INDEX delivery_asked ON delivery (portal_id, lane, id) WHERE kind IN ('to_address', 'notice', 'hook');
