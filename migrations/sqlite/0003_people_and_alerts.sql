-- Identities of one person, joined by a one-time code; who never linked anything is not in it. Profile,
-- limits and spending of a person stand under one of the keys.
CREATE TABLE identities (
    diver     TEXT PRIMARY KEY,
    person    TEXT NOT NULL,
    linked_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX identities_person ON identities (person);

CREATE TABLE link_codes (
    bot         TEXT NOT NULL,
    selector    TEXT NOT NULL,
    secret      TEXT NOT NULL,
    diver       TEXT NOT NULL,                   -- who gave it
    expires_at  INTEGER NOT NULL,
    misses      INTEGER NOT NULL DEFAULT 0,
    redeemed_by TEXT,                            -- a repeat by the same diver succeeds again
    PRIMARY KEY (bot, selector)
) WITHOUT ROWID;
CREATE INDEX link_codes_diver ON link_codes (diver);
CREATE INDEX link_codes_redeemed ON link_codes (redeemed_by) WHERE redeemed_by IS NOT NULL;

CREATE TABLE link_misses (
    diver  TEXT PRIMARY KEY,
    misses INTEGER NOT NULL,
    until  INTEGER NOT NULL
) WITHOUT ROWID;

-- A message that stands for the reply of a running turn; goes once the reply replaced it.
CREATE TABLE placeholders (
    turn         TEXT PRIMARY KEY,
    conversation TEXT NOT NULL,
    diver        TEXT NOT NULL,
    receipt      TEXT NOT NULL,
    placed_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX placeholders_conversation ON placeholders (conversation);

CREATE TABLE alerts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('lead', 'emergency')),
    subject         TEXT NOT NULL,               -- the lead's id, or the turn's
    conversation    TEXT,                        -- where an emergency was said
    raised_at       INTEGER NOT NULL,
    told            INTEGER NOT NULL DEFAULT 0,
    next_at         INTEGER NOT NULL,
    acknowledged_at INTEGER,
    UNIQUE (kind, subject)
);
CREATE INDEX alerts_unseen ON alerts (next_at) WHERE acknowledged_at IS NULL;
CREATE INDEX turns_emergencies ON turns (number) WHERE outcome = 'emergency';
