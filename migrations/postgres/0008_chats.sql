-- Who saw an alert first, by the name shown in the operator's chat.
ALTER TABLE alerts ADD COLUMN acknowledged_by text;

-- What the holder of a lease leaves for the next one, by the lease's name: where a platform's stream goes on.
CREATE TABLE left_words (
    name text PRIMARY KEY,
    word text NOT NULL
);
