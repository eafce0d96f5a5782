-- The schema. Times are milliseconds since 1970 in UTC, structured values JSON text.
-- `conversation` and `diver` hold the encoded keys, which begin with the bot's id.

-- "DVYB": tells our files from anybody's.
PRAGMA application_id = 1146509634;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

CREATE TABLE sessions (
    number        INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    bot           TEXT NOT NULL,
    conversation  TEXT NOT NULL UNIQUE,
    diver         TEXT,                          -- who last spoke in it
    state         TEXT NOT NULL DEFAULT '{}',
    emergency     TEXT,
    emergency_seq INTEGER NOT NULL DEFAULT 0,    -- the message that raised it; older turns can't end it
    epoch         INTEGER NOT NULL DEFAULT 0,    -- grows when the session starts over; history is this epoch's
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);
CREATE INDEX sessions_updated ON sessions (updated_at);

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    diver        TEXT NOT NULL,
    turn         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content      TEXT NOT NULL,
    created_at   INTEGER NOT NULL
);
CREATE INDEX messages_conversation ON messages (conversation, epoch, id);

-- Who spoke where: the way from a diver to everything held about them.
CREATE TABLE participants (
    diver        TEXT NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (diver, conversation)
) WITHOUT ROWID;
CREATE INDEX participants_conversation ON participants (conversation);

CREATE TABLE divers (
    key        TEXT PRIMARY KEY,
    user       TEXT NOT NULL,                    -- on the anonymous web the session's id
    profile    TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX divers_user ON divers (user);

CREATE TABLE inbox (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    event_key    TEXT NOT NULL UNIQUE,           -- bot, channel, account and the platform's id
    turn         TEXT NOT NULL,
    diver        TEXT NOT NULL,
    fingerprint  TEXT,
    event        TEXT,                           -- gone once covered
    covered_by   TEXT,                           -- the turn that answered it
    attempts     INTEGER NOT NULL DEFAULT 0,     -- how often it may have been started
    received_at  INTEGER NOT NULL,
    offer        INTEGER NOT NULL                -- tells whether this very offer stored it
);
CREATE INDEX inbox_conversation ON inbox (conversation);
CREATE INDEX inbox_waiting ON inbox (seq) WHERE covered_by IS NULL;

CREATE TABLE turns (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL,
    session      TEXT NOT NULL,
    diver        TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    reply        TEXT NOT NULL,
    finished_at  INTEGER NOT NULL
);
CREATE INDEX turns_conversation ON turns (conversation);

CREATE TABLE feedback (
    turn    TEXT PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    up      INTEGER NOT NULL,
    comment TEXT,
    at      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    lane         TEXT NOT NULL,                  -- the conversation, or a notice's subject
    outlet       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    diver        TEXT,
    turn         TEXT,
    lead         TEXT,
    part         INTEGER NOT NULL,
    urgent       INTEGER NOT NULL DEFAULT 0,     -- an emergency's: goes before whatever waits
    command      INTEGER NOT NULL DEFAULT 0,     -- answers a command: survives the erasure it may confirm
    payload      TEXT NOT NULL,                  -- emptied once sent, as is the context
    context      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'send_started', 'sent', 'unknown', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    uncertain    INTEGER NOT NULL DEFAULT 0,     -- an earlier try may have arrived
    next_at      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    settled_at   INTEGER,
    receipt      TEXT,
    error        TEXT
);
CREATE INDEX outbox_open ON outbox (lane, outlet, id) WHERE state IN ('pending', 'unknown', 'send_started');
CREATE INDEX outbox_next ON outbox (next_at) WHERE state IN ('pending', 'unknown');
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
CREATE INDEX outbox_conversation ON outbox (conversation);
CREATE INDEX outbox_lead ON outbox (lead) WHERE lead IS NOT NULL;

CREATE TABLE limits (
    key     TEXT PRIMARY KEY,
    arrival INTEGER NOT NULL                     -- the theoretical arrival time of GCRA
) WITHOUT ROWID;

CREATE TABLE leads (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    bot        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    data       TEXT NOT NULL,
    session    TEXT,
    profile    TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX leads_session ON leads (session);

CREATE TABLE usage (
    number         INTEGER PRIMARY KEY,
    turn           TEXT NOT NULL,
    conversation   TEXT NOT NULL,
    diver          TEXT NOT NULL,
    agent          TEXT NOT NULL,
    model          TEXT NOT NULL,
    outcome        TEXT NOT NULL,
    tokens         INTEGER NOT NULL,
    cost_micros    INTEGER NOT NULL,
    waited_ms      INTEGER NOT NULL,
    route_ms       INTEGER NOT NULL,
    search_ms      INTEGER NOT NULL,
    first_piece_ms INTEGER NOT NULL,
    total_ms       INTEGER NOT NULL,
    at             INTEGER NOT NULL
);
CREATE INDEX usage_conversation ON usage (conversation);

-- Spent and reserved by day; the row with an empty diver is everyone's.
CREATE TABLE spend (
    day         TEXT NOT NULL,
    diver       TEXT NOT NULL,
    tokens      INTEGER NOT NULL,
    cost_micros INTEGER NOT NULL,
    PRIMARY KEY (day, diver)
) WITHOUT ROWID;
CREATE INDEX spend_diver ON spend (diver) WHERE diver <> '';

CREATE TABLE reservations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    day         TEXT NOT NULL,
    diver       TEXT NOT NULL,
    tokens      INTEGER NOT NULL,
    cost_micros INTEGER NOT NULL
);

CREATE TABLE documents (
    path         TEXT PRIMARY KEY,
    hash         TEXT NOT NULL,
    title        TEXT NOT NULL,
    doc_type     TEXT NOT NULL,
    front_matter TEXT NOT NULL,
    ingested_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE passages (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    path     TEXT NOT NULL REFERENCES documents (path) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    section  TEXT NOT NULL,
    text     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    UNIQUE (path, position)
);
CREATE INDEX passages_hash ON passages (hash);

-- By the hash of the embedded text: equal words are embedded once, and outlive a re-ingestion.
CREATE TABLE content_embeddings (
    model   TEXT NOT NULL,
    hash    TEXT NOT NULL,
    dim     INTEGER NOT NULL,
    vector  BLOB NOT NULL,                       -- f32, little endian
    made_at INTEGER NOT NULL,
    PRIMARY KEY (model, hash)
);

CREATE TABLE destinations (
    path           TEXT PRIMARY KEY REFERENCES documents (path) ON DELETE CASCADE,
    destination_id TEXT,
    data           TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE dive_sites (
    path    TEXT PRIMARY KEY REFERENCES documents (path) ON DELETE CASCADE,
    site_id TEXT,
    data    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,             -- the key itself is never stored
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;
