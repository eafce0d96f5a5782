-- The oldest program that may use this schema, by the newest schema it knows. Programs before this one don't ask, and
-- refuse every newer schema.
INSERT INTO meta (name, value) VALUES ('oldest_program', 9);
