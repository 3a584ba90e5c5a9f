-- Everything at lower positions is committed or rolled back. Transactions of other databases of the server count too.
CREATE OR REPLACE FUNCTION oncekey_events_horizon() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + shift FROM events_shift
$$;

-- The place behind every event of a client that can be read now.
CREATE OR REPLACE FUNCTION oncekey_events_end(p_client text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT oncekey_events_horizon() - 1
$$;

-- Names the database: another one after a restore from a dump, the same one after a failover.
CREATE OR REPLACE FUNCTION oncekey_events_origin() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;

-- The numbers of transactions begin again in a database that is restored from a dump. Called before a service serves:
-- moves the defaults behind all positions there are. Only the owner of the tables can do it. true: it was necessary.
CREATE OR REPLACE FUNCTION oncekey_events_resume() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  behind bigint;
BEGIN
  IF (SELECT origin FROM events_shift) = oncekey_events_origin() THEN
    RETURN false;
  END IF;
  LOCK TABLE orders, events IN SHARE ROW EXCLUSIVE MODE;
  SELECT coalesce(max(position), 0) + 1 INTO behind FROM (
    SELECT max(position) FROM events UNION ALL SELECT max(position) FROM orders) AS found(position);
  UPDATE events_shift SET shift = behind, origin = oncekey_events_origin() WHERE origin <> oncekey_events_origin();
  IF FOUND THEN
    EXECUTE format('ALTER TABLE orders ALTER COLUMN position SET DEFAULT pg_current_xact_id()::text::bigint + %s', behind);
    EXECUTE format('ALTER TABLE events ALTER COLUMN position SET DEFAULT pg_current_xact_id()::text::bigint + %s', behind);
  END IF;
  RETURN FOUND;
END $$;

-- The events of a client behind a place, oldest first. What is read stands before every transaction that is still open. One type
-- is asked for by its place in the index events_type: "type = p_type" would let PostgreSQL look for it among all events.
CREATE OR REPLACE FUNCTION oncekey_events_after(
  p_client text, p_position bigint, p_object uuid, p_type text, p_limit integer
) RETURNS TABLE (place bigint, about uuid, kind text, happened timestamptz, endpoint_id uuid) LANGUAGE sql STABLE AS $$
  SELECT place, about, kind, happened, endpoint_id FROM (
    (SELECT position, id, 'order.created', created_at, NULL::uuid FROM orders
      WHERE client = p_client AND (position, id) > (p_position, p_object)
        AND position < (SELECT oncekey_events_horizon()) AND coalesce(p_type, 'order.created') = 'order.created'
      ORDER BY position, id LIMIT p_limit)
    UNION ALL
    (SELECT position, object, type, at, endpoint FROM events
      WHERE client = p_client AND (position, object) > (p_position, p_object)
        AND position < (SELECT oncekey_events_horizon()) AND p_type IS NULL
      ORDER BY position, object LIMIT p_limit)
    UNION ALL
    (SELECT position, object, type, at, endpoint FROM events
      WHERE client = p_client AND type <= p_type AND (type, position, object) > (p_type, p_position, p_object)
        AND position < (SELECT oncekey_events_horizon())
      ORDER BY type, position, object LIMIT p_limit)) AS found(place, about, kind, happened, endpoint_id)
  ORDER BY place, about LIMIT p_limit
$$;
