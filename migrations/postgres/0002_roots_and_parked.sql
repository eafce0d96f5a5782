-- A document belongs to the content directory it came from, so that reading one directory leaves the documents
-- of the others alone.
ALTER TABLE documents ADD COLUMN root text NOT NULL DEFAULT 'content';

-- How many of the attempts were given back by a soft stop; the others may have ended in a crash.
ALTER TABLE inbox ADD COLUMN parked integer NOT NULL DEFAULT 0;
