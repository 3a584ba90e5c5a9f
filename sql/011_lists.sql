-- For lists of payments of one state and of events of one type: without an index, one that has few of many is read to its end.
CREATE INDEX payments_state ON payments (client, state, id);
CREATE INDEX events_type ON events (client, type, position, object);
