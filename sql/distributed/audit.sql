-- Appends many entries of clients of one shard.
CREATE OR REPLACE FUNCTION oncekey_audit_all(p_client text, p_rows text)
RETURNS TABLE (n integer, seq bigint) LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json)
    AS a(n integer, client text, event_type text, entry text, again boolean)
  LOOP
    n := r.n;
    seq := CASE WHEN r.again THEN oncekey_audit_again(r.client, r.event_type, r.entry)
      ELSE oncekey_audit(r.client, r.event_type, r.entry) END;
    RETURN NEXT;
  END LOOP;
END $$;

-- Every shard looks through its own clients: Citus does not look up one client after the other.
CREATE OR REPLACE FUNCTION oncekey_audit_ends(p_after text, p_only text, p_limit integer)
RETURNS TABLE (client text, seq bigint, hash text, last bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  IF p_only IS NOT NULL THEN
    RETURN QUERY SELECT p_only, h.seq, encode(h.hash, 'hex'), (SELECT max(l.seq) FROM audit_log AS l WHERE l.client = p_only)
      FROM (SELECT 1) AS one LEFT JOIN audit_heads AS h ON h.client = p_only
      WHERE p_only > p_after AND (h.client IS NOT NULL OR EXISTS (SELECT FROM audit_log AS l WHERE l.client = p_only));
    RETURN;
  END IF;
  RETURN QUERY SELECT coalesce(h.client, l.client), h.seq, encode(h.hash, 'hex'), l.last
    FROM audit_heads AS h
    FULL JOIN (SELECT client, max(seq) AS last FROM audit_log WHERE client > p_after GROUP BY client) AS l
      ON l.client = h.client
    WHERE coalesce(h.client, l.client) > p_after ORDER BY 1 LIMIT p_limit;
END $$;
