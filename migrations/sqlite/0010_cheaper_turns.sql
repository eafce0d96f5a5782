-- Postgres alone changes; the numbers of migrations mean the same on both databases.
SELECT 1;
