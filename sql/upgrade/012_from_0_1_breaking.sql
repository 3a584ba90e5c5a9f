-- Brings a database of version 0.1, which had the migrations 001_orders.sql to 007_nodes.sql and up to four more, to the state
-- of the numbered files 001 to 006 beside this folder. Version 0.1 cannot work with it afterwards.
CREATE TABLE IF NOT EXISTS deployment (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id  text COLLATE "C" NOT NULL DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)
    CHECK (id ~ '^[0-9a-f]{12}$')
);
INSERT INTO deployment DEFAULT VALUES ON CONFLICT DO NOTHING;
ALTER TABLE clients ADD COLUMN IF NOT EXISTS limits text CHECK (length(limits) BETWEEN 1 AND 1000);
ALTER TABLE idempotency_keys ADD COLUMN IF NOT EXISTS lease_ms integer CHECK (lease_ms >= 0);
-- NOT VALID: the rows have passed checks that mean the same, so that the tables are not read.
ALTER TABLE orders
  DROP CONSTRAINT orders_client_check,
  ADD CONSTRAINT orders_client_check CHECK (client <> '' AND octet_length(client) <= 64
    AND ltrim(client, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-') = '') NOT VALID;
ALTER TABLE payments
  DROP CONSTRAINT payments_client_check,
  ADD CONSTRAINT payments_client_check CHECK (client <> '' AND octet_length(client) <= 64
    AND ltrim(client, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-') = '') NOT VALID,
  DROP CONSTRAINT payments_currency_check,
  ADD CONSTRAINT payments_currency_check
    CHECK (octet_length(currency) = 3 AND ltrim(currency, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = '') NOT VALID,
  DROP CONSTRAINT payments_gateway_key_check,
  ADD CONSTRAINT payments_gateway_key_check
    CHECK (octet_length(gateway_key) = 64 AND ltrim(gateway_key, '0123456789abcdef') = '') NOT VALID;
ALTER TABLE orders RENAME COLUMN answer_status TO response_status;
ALTER TABLE orders RENAME COLUMN answer_body TO response_body;
ALTER TABLE payments RENAME COLUMN answer_status TO response_status;
ALTER TABLE payments RENAME COLUMN answer_body TO response_body;
ALTER TABLE orders RENAME CONSTRAINT orders_answer_status_check TO orders_response_status_check;
ALTER TABLE payments RENAME CONSTRAINT payments_answer_status_check TO payments_response_status_check;
-- All functions but those of triggers are made anew.
DO $$
DECLARE
  name regprocedure;
BEGIN
  FOR name IN SELECT oid FROM pg_proc
    WHERE proname LIKE 'oncekey\_%' AND prorettype <> 'trigger'::regtype AND pronamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('DROP FUNCTION %s', name);
  END LOOP;
END $$;
DELETE FROM schema_migrations;
INSERT INTO schema_migrations (name) VALUES ('001_deployment.sql'), ('002_orders.sql'), ('003_idempotency_keys.sql'),
  ('004_clients.sql'), ('005_audit_log.sql'), ('006_payments.sql'), ('012_from_0_1_breaking.sql');
