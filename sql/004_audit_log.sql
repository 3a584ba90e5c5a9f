-- The audit trail: append-only, one hash chain for each client. Each entry carries the hash of the one before it, so
-- that a changed, missing or inserted entry breaks the chain from there on ("oncekey audit verify").
CREATE TABLE audit_log (
  client     text COLLATE "C" NOT NULL,
  -- 1, 2, 3, ... for each client, without a gap.
  seq        bigint NOT NULL CHECK (seq >= 1),
  at         timestamptz(3) NOT NULL,
  -- For example 'payment.completed'.
  event_type text COLLATE "C" NOT NULL CHECK (event_type ~ '^[a-z_]+(\.[a-z_]+)*$'),
  -- A JSON object, kept as text: the hash is over these very bytes.
  entry      text NOT NULL CHECK (octet_length(entry) <= 65536),
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (client, seq)
);
CREATE INDEX audit_log_event_type ON audit_log (client, event_type, seq);

-- Where each chain ends: a last entry that is taken away is missed too. Its row lock makes the entries of a client
-- follow one another.
CREATE TABLE audit_heads (
  client text COLLATE "C" PRIMARY KEY,
  seq    bigint NOT NULL,
  hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
);

-- Not even the owner changes what is written; the trigger also stops those whom privileges do not bind.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC, CURRENT_USER;
CREATE FUNCTION oncekey_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION oncekey_audit_is_append_only();

-- What the hash of an entry covers beside the hash before it.
CREATE FUNCTION oncekey_audit_text(p_client text, p_seq bigint, p_at timestamptz, p_event_type text, p_entry text)
RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT convert_to(concat_ws(E'\n', p_client, p_seq::text,
    to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), p_event_type, p_entry), 'UTF8')
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
  t timestamptz := date_trunc('milliseconds', clock_timestamp());
  next_hash bytea;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  SELECT * INTO head FROM audit_heads WHERE client = p_client;
  next_hash := sha256(head.hash || oncekey_audit_text(p_client, head.seq + 1, t, p_event_type, p_entry));
  INSERT INTO audit_log (client, seq, at, event_type, entry, hash)
    VALUES (p_client, head.seq + 1, t, p_event_type, p_entry, next_hash);
  UPDATE audit_heads SET seq = head.seq + 1, hash = next_hash WHERE client = p_client;
  RETURN head.seq + 1;
END $$;
