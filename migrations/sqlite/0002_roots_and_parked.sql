-- A document belongs to the content directory it came from, so that reading one directory leaves the
-- documents of the others alone. What was ingested before came from the content, or from the demo, which
-- the next ingestion of the content then removes and the next one of the demo brings back.
ALTER TABLE documents ADD COLUMN root TEXT NOT NULL DEFAULT 'content';

-- How many of the attempts were given back by a soft stop; the others may have ended in a crash.
ALTER TABLE inbox ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;
