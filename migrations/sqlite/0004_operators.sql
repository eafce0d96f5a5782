-- Conversations that a person has taken over. A row outlives its pause until what was left is taken up.
CREATE TABLE pauses (
    conversation TEXT PRIMARY KEY,
    since        INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    by           TEXT NOT NULL,
    answered     INTEGER NOT NULL                -- up to this turn everything said has its answer
) WITHOUT ROWID;
CREATE INDEX pauses_until ON pauses (until);

-- What people did in a conversation, and the turns no message asked for.
CREATE TABLE interventions (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('pause', 'resume', 'reply', 'notice', 'taken_up')),
    turn         TEXT,
    by           TEXT NOT NULL,
    at           INTEGER NOT NULL
);
CREATE INDEX interventions_conversation ON interventions (conversation, number);

-- Who looked at what, and who changed what. Only ever added to, until its retention ends.
CREATE TABLE audit (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    key      TEXT NOT NULL,
    name     TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    at       INTEGER NOT NULL
);

CREATE INDEX usage_at ON usage (at);
