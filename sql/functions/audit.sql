-- The time of an entry as it is hashed, shown and exported: 2026-01-01T00:00:00.000Z.
CREATE OR REPLACE FUNCTION oncekey_audit_time(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What the hash of an entry covers beside the hash before it: client, number, time, event type and entry, a line each.
-- Only the last of them can hold a line break.
CREATE OR REPLACE FUNCTION oncekey_audit_text(
  p_client text, p_seq bigint, p_at timestamptz, p_event_type text, p_entry text
) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT convert_to(
    concat_ws(E'\n', p_client, p_seq::text, oncekey_audit_time(p_at), p_event_type, p_entry), 'UTF8')
$$;

-- Locks the end of the client's chain until the transaction ends. A statement that writes entries together with other rows
-- of a client calls it before it touches those rows, and takes clients in the order of their names: two such statements
-- then wait for each other here or not at all, and cannot deadlock.
CREATE OR REPLACE FUNCTION oncekey_audit_lock(p_client text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM audit_heads WHERE client = p_client FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO audit_heads (client, seq, hash) VALUES (p_client, 0, decode(repeat('00', 32), 'hex'))
      ON CONFLICT DO NOTHING;
    PERFORM FROM audit_heads WHERE client = p_client FOR UPDATE;
  END IF;
END $$;

-- Appends one entry and returns its number.
CREATE OR REPLACE FUNCTION oncekey_audit(p_client text, p_event_type text, p_entry text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head audit_heads;
  t timestamptz;
  next_hash bytea;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  -- After the wait for the lock: an earlier time would stand behind a later one.
  t := date_trunc('milliseconds', clock_timestamp());
  SELECT * INTO head FROM audit_heads WHERE client = p_client;
  next_hash := sha256(head.hash || oncekey_audit_text(p_client, head.seq + 1, t, p_event_type, p_entry));
  INSERT INTO audit_log (client, seq, at, event_type, entry, hash)
    VALUES (p_client, head.seq + 1, t, p_event_type, p_entry, next_hash);
  UPDATE audit_heads SET seq = head.seq + 1, hash = next_hash WHERE client = p_client;
  RETURN head.seq + 1;
END $$;

-- For an entry that was sent and got no result: appends it unless it is there. It must contain an id of its own, so that no
-- other entry has the same text. Searches the newest 10,000 entries of the client, more than are written between two tries.
CREATE OR REPLACE FUNCTION oncekey_audit_again(p_client text, p_event_type text, p_entry text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found_seq bigint;
BEGIN
  -- Waits for the first try if it is still in flight.
  PERFORM oncekey_audit_lock(p_client);
  SELECT seq INTO found_seq
    FROM (SELECT seq, event_type, entry FROM audit_log WHERE client = p_client ORDER BY seq DESC LIMIT 10000) AS newest
    WHERE event_type = p_event_type AND entry = p_entry LIMIT 1;
  RETURN coalesce(found_seq, oncekey_audit(p_client, p_event_type, p_entry));
END $$;

-- Where the chains end, of clients behind p_after in the order of their names, or of p_only alone. One statement, so that
-- an entry and the head that it moved are both there or both not. hash is NULL without a head.
CREATE OR REPLACE FUNCTION oncekey_audit_ends(p_after text, p_only text, p_limit integer)
RETURNS TABLE (client text, seq bigint, hash text, last bigint) LANGUAGE sql STABLE AS $$
  -- The recursion looks up one client after the other: DISTINCT would read every entry.
  WITH RECURSIVE writers(client, n) AS (
    SELECT min(client), 1 FROM audit_log WHERE client > p_after
    UNION ALL
    SELECT (SELECT min(l.client) FROM audit_log l WHERE l.client > w.client), n + 1 FROM writers w
    WHERE w.client IS NOT NULL AND n < p_limit
  ), known AS (
    SELECT client FROM writers WHERE client IS NOT NULL
    UNION
    (SELECT client FROM audit_heads WHERE client > p_after ORDER BY client LIMIT p_limit)
    ORDER BY client LIMIT p_limit
  )
  SELECT k.client, h.seq, encode(h.hash, 'hex') AS hash,
    (SELECT max(l.seq) FROM audit_log l WHERE l.client = k.client) AS last
  FROM (SELECT client FROM known WHERE p_only IS NULL UNION ALL SELECT p_only WHERE p_only IS NOT NULL) AS k
  LEFT JOIN audit_heads h ON h.client = k.client
  WHERE k.client > p_after AND (h.client IS NOT NULL OR EXISTS (SELECT FROM audit_log l WHERE l.client = k.client))
  ORDER BY k.client
$$;
