-- Run once by the image of PostgreSQL, in an empty volume: two roles that are no superusers, and the database of the first.
-- oncekey_owner owns the database and migrates it; oncekey, as which the service connects, owns nothing.
\getenv owner_password OWNER_PASSWORD
\getenv service_password SERVICE_PASSWORD
CREATE ROLE oncekey_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE oncekey LOGIN PASSWORD :'service_password';
CREATE DATABASE oncekey OWNER oncekey_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE oncekey FROM PUBLIC;
GRANT CONNECT ON DATABASE oncekey TO oncekey;
\connect oncekey
ALTER SCHEMA public OWNER TO oncekey_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO oncekey;
-- For the tables that migrations make. No table can be truncated, altered or dropped, and the triggers of the audit trail
-- refuse what would change it.
ALTER DEFAULT PRIVILEGES FOR ROLE oncekey_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO oncekey;
