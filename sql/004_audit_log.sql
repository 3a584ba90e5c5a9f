-- The audit trail: append-only, one hash chain for each client. Each entry carries the hash of the one before it, so
-- that a changed, missing or inserted entry breaks the chain from there on ("oncekey audit verify").
CREATE TABLE audit_log (
  -- Without a line break, so that what the hash covers can be read in one way only.
  client     text COLLATE "C" NOT NULL CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- 1, 2, 3, ... for each client, without a gap.
  seq        bigint NOT NULL CHECK (seq >= 1),
  -- When it was written, by the clock of the database. What was seen earlier says so in its entry.
  at         timestamptz(3) NOT NULL,
  -- For example 'payment.completed'.
  event_type text COLLATE "C" NOT NULL CHECK (event_type ~ '^[a-z_]+(\.[a-z_]+)*$'),
  -- A JSON object, kept as text: the hash is over these very bytes.
  entry      text NOT NULL CHECK (octet_length(entry) <= 65536 AND json_typeof(entry::json) = 'object'),
  -- SHA-256 over the hash of the entry before (32 zero bytes before the first) and oncekey_audit_text of this one.
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (client, seq)
);
CREATE INDEX audit_log_event_type ON audit_log (client, event_type, seq);

-- Where each chain ends: a last entry that is taken away is missed too. Its row lock makes the entries of a client
-- follow one another.
CREATE TABLE audit_heads (
  client text COLLATE "C" PRIMARY KEY CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- Of the last entry; 0 before the first.
  seq    bigint NOT NULL CHECK (seq >= 0),
  -- Of the last entry; 32 zero bytes before the first.
  hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);

-- Not even the owner changes what is written; the triggers also stop those whom privileges do not bind, and fire in
-- sessions that switch triggers off with session_replication_role too.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON audit_heads FROM PUBLIC, CURRENT_USER;
CREATE FUNCTION oncekey_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION oncekey_audit_is_append_only();
CREATE TRIGGER audit_heads_stay BEFORE DELETE OR TRUNCATE ON audit_heads
  FOR EACH STATEMENT EXECUTE FUNCTION oncekey_audit_is_append_only();
CREATE TRIGGER audit_heads_move_on BEFORE UPDATE ON audit_heads
  FOR EACH ROW WHEN (NEW.client <> OLD.client OR NEW.seq <> OLD.seq + 1)
  EXECUTE FUNCTION oncekey_audit_is_append_only();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE audit_heads ENABLE ALWAYS TRIGGER audit_heads_stay;
ALTER TABLE audit_heads ENABLE ALWAYS TRIGGER audit_heads_move_on;

-- The time of an entry as it is hashed, shown and exported: 2026-01-01T00:00:00.000Z.
CREATE FUNCTION oncekey_audit_time(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What the hash of an entry covers beside the hash before it: client, number, time, event type and entry, a line each.
-- Only the last of them can hold a line break.
CREATE FUNCTION oncekey_audit_text(p_client text, p_seq bigint, p_at timestamptz, p_event_type text, p_entry text)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT convert_to(
    concat_ws(E'\n', p_client, p_seq::text, oncekey_audit_time(p_at), p_event_type, p_entry), 'UTF8')
$$;

-- Takes the client's place in the chain until the end of the transaction. Whoever writes entries together with other
-- rows of a client calls it before touching those rows, and takes clients in the order of their names: two statements
-- then wait for each other here or not at all, and cannot deadlock.
CREATE FUNCTION oncekey_audit_lock(p_client text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM audit_heads WHERE client = p_client FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO audit_heads (client, seq, hash) VALUES (p_client, 0, decode(repeat('00', 32), 'hex'))
      ON CONFLICT DO NOTHING;
    PERFORM FROM audit_heads WHERE client = p_client FOR UPDATE;
  END IF;
END $$;

-- Appends one entry and returns its number.
CREATE FUNCTION oncekey_audit(p_client text, p_event_type text, p_entry text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head audit_heads;
  t timestamptz;
  next_hash bytea;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  -- Only now: whoever waited for the lock would otherwise write an earlier time behind a later one.
  t := date_trunc('milliseconds', clock_timestamp());
  SELECT * INTO head FROM audit_heads WHERE client = p_client;
  next_hash := sha256(head.hash || oncekey_audit_text(p_client, head.seq + 1, t, p_event_type, p_entry));
  INSERT INTO audit_log (client, seq, at, event_type, entry, hash)
    VALUES (p_client, head.seq + 1, t, p_event_type, p_entry, next_hash);
  UPDATE audit_heads SET seq = head.seq + 1, hash = next_hash WHERE client = p_client;
  RETURN head.seq + 1;
END $$;

-- For an entry whose first writing was sent but not answered: appends it unless it is there. It must carry an id of its
-- own, so that no other entry reads the same. Looks through the newest 10,000 entries of the client, which is more than
-- are written between two tries. Returns the number of the entry.
CREATE FUNCTION oncekey_audit_again(p_client text, p_event_type text, p_entry text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found_seq bigint;
BEGIN
  -- Waits for the first writing if it is still under way.
  PERFORM oncekey_audit_lock(p_client);
  SELECT seq INTO found_seq
    FROM (SELECT seq, event_type, entry FROM audit_log WHERE client = p_client ORDER BY seq DESC LIMIT 10000) AS newest
    WHERE event_type = p_event_type AND entry = p_entry LIMIT 1;
  RETURN coalesce(found_seq, oncekey_audit(p_client, p_event_type, p_entry));
END $$;
