-- Positions of events where the numbers of transactions of several servers cannot be compared: a row is written without a
-- place (a position from 2^62 on), and gets the next place of its client when the events of the client are read. That is done
-- under the lock of event_heads to rows that are committed, so that none can be committed later at a place that was passed.

-- Gives places to at most 1,000 orders and 1,000 events of a client.
-- As the owner of the tables, like the two functions below, which Citus does not let read as another role what this one has
-- changed: the role that serves changes no order and no event.
CREATE OR REPLACE FUNCTION oncekey_events_number(p_client text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  unplaced CONSTANT bigint := 4611686018427387904;
  head bigint := (SELECT shift FROM events_shift);
  made bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM orders WHERE client = p_client AND position >= unplaced)
    AND NOT EXISTS (SELECT FROM events WHERE client = p_client AND position >= unplaced) THEN
    RETURN;
  END IF;
  INSERT INTO event_heads (client, position) VALUES (p_client, head) ON CONFLICT DO NOTHING;
  SELECT position INTO head FROM event_heads WHERE client = p_client FOR UPDATE;
  UPDATE orders SET position = head + f.n
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM (
      SELECT id FROM orders WHERE client = p_client AND position >= unplaced ORDER BY id LIMIT 1000) AS o) AS f
    WHERE orders.client = p_client AND orders.id = f.id;
  GET DIAGNOSTICS made = ROW_COUNT;
  head := head + made;
  UPDATE events SET position = head + f.n
    FROM (SELECT position AS was, object, row_number() OVER (ORDER BY position, object) AS n FROM (
      SELECT position, object FROM events WHERE client = p_client AND position >= unplaced
        ORDER BY position, object LIMIT 1000) AS e) AS f
    WHERE events.client = p_client AND events.position = f.was AND events.object = f.object;
  GET DIAGNOSTICS made = ROW_COUNT;
  UPDATE event_heads SET position = head + made WHERE client = p_client;
END $$;

CREATE OR REPLACE FUNCTION oncekey_events_end(p_client text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  found bigint;
BEGIN
  LOOP
    PERFORM oncekey_events_number(p_client);
    EXIT WHEN NOT EXISTS (SELECT FROM orders WHERE client = p_client AND position >= 4611686018427387904)
      AND NOT EXISTS (SELECT FROM events WHERE client = p_client AND position >= 4611686018427387904);
  END LOOP;
  SELECT position INTO found FROM event_heads WHERE client = p_client;
  RETURN coalesce(found, (SELECT shift FROM events_shift));
END $$;

CREATE OR REPLACE FUNCTION oncekey_events_after(
  p_client text, p_position bigint, p_object uuid, p_type text, p_limit integer
) RETURNS TABLE (place bigint, about uuid, kind text, happened timestamptz, endpoint_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM oncekey_events_number(p_client);
  RETURN QUERY SELECT f.place, f.about, f.kind, f.happened, f.endpoint_id FROM (
    (SELECT position, id, 'order.created', created_at, NULL::uuid FROM orders
      WHERE client = p_client AND (position, id) > (p_position, p_object)
        AND position < 4611686018427387904 AND coalesce(p_type, 'order.created') = 'order.created'
      ORDER BY position, id LIMIT p_limit)
    UNION ALL
    (SELECT position, object, type, at, endpoint FROM events
      WHERE client = p_client AND (position, object) > (p_position, p_object)
        AND position < 4611686018427387904 AND p_type IS NULL
      ORDER BY position, object LIMIT p_limit)
    UNION ALL
    (SELECT position, object, type, at, endpoint FROM events
      WHERE client = p_client AND type <= p_type AND (type, position, object) > (p_type, p_position, p_object)
        AND position < 4611686018427387904
      ORDER BY type, position, object LIMIT p_limit)) AS f(place, about, kind, happened, endpoint_id)
  ORDER BY f.place, f.about LIMIT p_limit;
END $$;

-- Places are counted, and go on where they were in a database that is restored.
CREATE OR REPLACE FUNCTION oncekey_events_resume() RETURNS boolean LANGUAGE sql AS $$
  SELECT false
$$;
