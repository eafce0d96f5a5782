-- Two roles for DovvyBuddy: one that owns the tables and migrates them, one that the daemon works with, which can't
-- change a table. Run once, as an administrator, in the database that DovvyBuddy shall use:
--
--   psql --dbname=dovvybuddy --set=ON_ERROR_STOP=1 --set=owner_password=… --set=daemon_password=… --file=roles.sql
--
-- Then `dovvybuddy migrate` with the owner's address, and `dovvybuddy serve --no-migrate` with the daemon's.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE ROLE dovvybuddy_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE dovvybuddy LOGIN PASSWORD :'daemon_password';

SELECT format('ALTER DATABASE %I OWNER TO dovvybuddy_owner', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO dovvybuddy', current_database()) \gexec
GRANT USAGE ON SCHEMA public TO dovvybuddy;

-- For every table that a migration makes, now and later.
ALTER DEFAULT PRIVILEGES FOR ROLE dovvybuddy_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO dovvybuddy;
ALTER DEFAULT PRIVILEGES FOR ROLE dovvybuddy_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO dovvybuddy;

-- And for those that are there already, where a database with one role gets two.
SELECT format('ALTER %s %s OWNER TO dovvybuddy_owner',
              CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass)
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'S')
  -- Sequences of identity columns follow their table.
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('i', 'e')) \gexec
SELECT format('ALTER ROUTINE %s OWNER TO dovvybuddy_owner', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \gexec
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO dovvybuddy;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO dovvybuddy;

-- Nothing that serves a message takes longer; migrations may.
ALTER ROLE dovvybuddy SET statement_timeout = '30s';
ALTER ROLE dovvybuddy SET idle_in_transaction_session_timeout = '60s';
