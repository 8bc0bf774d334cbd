-- What is counted for the operators and listed by them must not cost a look at everything that ever was.
CREATE INDEX delivery_dead ON delivery (state, id) WHERE state IN ('failed', 'unknown');
CREATE INDEX delivery_parked ON delivery (id) WHERE state = 'parked';
CREATE INDEX inbox_dead ON inbox (id) WHERE state = 'dead';
CREATE INDEX parking_open ON parking (portal_id) WHERE resumed_at IS NULL;
