-- The audit trail: append-only, one hash chain for each client. Each entry carries the hash of the one before it, so that a
-- changed, missing or inserted entry breaks the chain from there on ("oncekey audit verify").
CREATE TABLE audit_log (
  client     text COLLATE "C" NOT NULL CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  seq        bigint NOT NULL CHECK (seq >= 1),
  at         timestamptz(3) NOT NULL,
  event_type text COLLATE "C" NOT NULL CHECK (event_type ~ '^[a-z_]+(\.[a-z_]+)*$'),
  entry      text NOT NULL CHECK (octet_length(entry) <= 65536 AND json_typeof(entry::json) = 'object'),
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (client, seq)
);
CREATE INDEX audit_log_event_type ON audit_log (client, event_type, seq);
COMMENT ON COLUMN audit_log.client IS 'Has no line break, so that what the hash covers can be read in one way only';
COMMENT ON COLUMN audit_log.seq IS '1, 2, 3, ... for each client, without a gap';
COMMENT ON COLUMN audit_log.at IS 'When the entry was written, by the clock of the database';
COMMENT ON COLUMN audit_log.event_type IS 'Such as payment.completed: lower-case words joined by dots';
COMMENT ON COLUMN audit_log.entry IS 'A JSON object, kept as text: the hash is over these bytes';
COMMENT ON COLUMN audit_log.hash IS 'SHA-256 over the hash of the entry before (32 zero bytes before the first) and oncekey_audit_text() of this one';

-- Where each chain ends, so that a missing last entry is detected too. Its row lock makes the entries of a client follow
-- one another.
CREATE TABLE audit_heads (
  client text COLLATE "C" PRIMARY KEY CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  seq    bigint NOT NULL CHECK (seq >= 0),
  hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);
COMMENT ON COLUMN audit_heads.seq IS 'Of the last entry; 0 before the first';
COMMENT ON COLUMN audit_heads.hash IS 'Of the last entry; 32 zero bytes before the first';

-- The owner cannot change entries either. The triggers also stop superusers, and sessions that switch triggers off with
-- session_replication_role.
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
ALTER TABLE audit_heads ENABLE ALWAYS TRIGGER audit_heads_stay, ENABLE ALWAYS TRIGGER audit_heads_move_on;
