-- The schema. Times are milliseconds since 1970 in UTC, structured values JSON text (a diver may write the
-- character zero, which the type jsonb refuses). `conversation` and `diver` hold the encoded keys, which begin
-- with the bot's id; keys and paths are ordered by their bytes. The tables of messages begin with the conversation, so that they can be distributed by it.
CREATE EXTENSION IF NOT EXISTS vector;

-- The database's clock: the one that all replicas share.
CREATE FUNCTION dovvy_now() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE meta (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);

-- Processes that hand out lanes and parts. One that lives says so again and again; `watched` tells that it also
-- holds an advisory lock, which its end frees at once.
CREATE TABLE replicas (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alive_until bigint  NOT NULL,
    watched     boolean NOT NULL DEFAULT false
);

-- What only one replica may hold: a token that is polled, a platform's gateway.
CREATE TABLE leases (
    name   text PRIMARY KEY,
    holder bigint NOT NULL
);

CREATE TABLE sessions (
    number        bigint GENERATED ALWAYS AS IDENTITY,
    id            text NOT NULL UNIQUE,
    bot           text NOT NULL,
    conversation text COLLATE "C" PRIMARY KEY,
    diver         text,                          -- who last spoke in it
    state         text NOT NULL DEFAULT '{}',
    emergency     text,
    emergency_seq bigint NOT NULL DEFAULT 0,     -- the message that raised it; older turns can't end it
    epoch         bigint NOT NULL DEFAULT 0,     -- grows when the session starts over; history is this epoch's
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL
);
CREATE INDEX sessions_updated ON sessions (updated_at);

CREATE TABLE messages (
    conversation text COLLATE "C" NOT NULL,
    epoch        bigint NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    diver        text   NOT NULL,
    turn         text   NOT NULL,
    role         text   NOT NULL CHECK (role IN ('user', 'assistant')),
    content      text   NOT NULL,
    created_at   bigint NOT NULL,
    PRIMARY KEY (conversation, epoch, id)
);

-- Who spoke where: the way from a diver to everything held about them.
CREATE TABLE participants (
    diver        text NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    PRIMARY KEY (diver, conversation)
);
CREATE INDEX participants_conversation ON participants (conversation);

CREATE TABLE divers (
    key        text PRIMARY KEY,
    account    text   NOT NULL,                  -- on the anonymous web the session's id
    profile    text   NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX divers_account ON divers (account);

CREATE SEQUENCE inbox_seq;
CREATE SEQUENCE fences;

CREATE TABLE inbox (
    conversation text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL,
    event_key    text   NOT NULL,                -- bot, channel, account and the platform's id
    turn         text   NOT NULL,
    diver        text   NOT NULL,
    fingerprint  text,
    event        text,                           -- gone once covered
    covered_by   text,                           -- the turn that answered it
    attempts     integer NOT NULL DEFAULT 0,     -- how often it was handed out
    received_at  bigint NOT NULL,
    ready_at     bigint NOT NULL,                -- when it has settled
    PRIMARY KEY (conversation, seq)
) WITH (fillfactor = 80);
CREATE INDEX inbox_received ON inbox (received_at);

-- What tells repeats. Apart from the inbox, since a platform's id is unique over all conversations.
CREATE TABLE event_ids (
    event_key    text PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL,
    offer        bigint NOT NULL                 -- tells whether this very offer stored it
);
CREATE INDEX event_ids_conversation ON event_ids (conversation);

-- What waits in each conversation, and who works on it. The columns up to `oldest_at` follow from the inbox.
CREATE TABLE lanes (
    conversation text COLLATE "C" PRIMARY KEY,
    first_seq    bigint,                         -- the first message without a reply
    ready_at     bigint NOT NULL DEFAULT 0,      -- when the burst it begins has settled
    suspect      boolean NOT NULL DEFAULT false, -- it may have brought more than one process down
    waiting      bigint NOT NULL DEFAULT 0,
    oldest_at    bigint,
    home         bigint,                         -- the replica that its client is connected to
    holder       bigint,                         -- the replica that works on it
    fence        bigint NOT NULL DEFAULT 0,
    leased_until bigint,
    on_trial     boolean NOT NULL DEFAULT false  -- a suspect is being worked on
) WITH (fillfactor = 70);
CREATE INDEX lanes_waiting ON lanes (first_seq) WHERE first_seq IS NOT NULL;
CREATE INDEX lanes_on_trial ON lanes (holder) WHERE on_trial;

CREATE TABLE turns (
    number       bigint GENERATED ALWAYS AS IDENTITY,
    id           text PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL,
    session      text   NOT NULL,
    diver        text   NOT NULL,
    attempt      bigint NOT NULL,
    fence        bigint,                         -- of the claim that it finished
    outcome      text   NOT NULL,
    reply        text   NOT NULL,
    finished_at  bigint NOT NULL
);
CREATE INDEX turns_conversation ON turns (conversation);

CREATE TABLE feedback (
    turn    text PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    up      boolean NOT NULL,
    comment text,
    at      bigint NOT NULL
);

CREATE TABLE outbox (
    lane text COLLATE "C" NOT NULL,                -- the conversation, or a notice's subject
    id           bigint GENERATED ALWAYS AS IDENTITY,
    outlet       text   NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    diver        text,
    turn         text,
    lead         text,
    part         bigint NOT NULL,
    urgent       boolean NOT NULL DEFAULT false, -- an emergency's: goes before whatever waits
    command      boolean NOT NULL DEFAULT false, -- answers a command: survives the erasure it may confirm
    payload      text   NOT NULL,                -- emptied once sent, as is the context
    context      text   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('pending', 'send_started', 'sent', 'unknown', 'dead')),
    sender       bigint,                         -- the replica that is sending it
    attempts     bigint NOT NULL DEFAULT 0,
    uncertain    boolean NOT NULL DEFAULT false, -- an earlier try may have arrived
    next_at      bigint NOT NULL,
    created_at   bigint NOT NULL,
    settled_at   bigint,
    receipt      text,
    error        text,
    PRIMARY KEY (lane, id)
);
CREATE INDEX outbox_id ON outbox (id);
CREATE INDEX outbox_open ON outbox (lane, outlet, id) WHERE state IN ('pending', 'unknown', 'send_started');
CREATE INDEX outbox_next ON outbox (next_at) WHERE state IN ('pending', 'unknown');
CREATE INDEX outbox_started ON outbox (sender) WHERE state = 'send_started';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
CREATE INDEX outbox_conversation ON outbox (conversation);
CREATE INDEX outbox_lead ON outbox (lead) WHERE lead IS NOT NULL;
CREATE INDEX outbox_turn ON outbox (turn) WHERE turn IS NOT NULL;

CREATE TABLE limits (
    key     text PRIMARY KEY,
    arrival bigint NOT NULL                      -- the theoretical arrival time of GCRA
) WITH (fillfactor = 70);

CREATE TABLE leads (
    number     bigint GENERATED ALWAYS AS IDENTITY,
    id         text PRIMARY KEY,
    bot        text NOT NULL,
    kind       text NOT NULL,
    data       text NOT NULL,
    session    text,
    profile    text NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX leads_session ON leads (session);
CREATE INDEX leads_newest ON leads (bot, number);
CREATE INDEX leads_created ON leads (created_at);

CREATE TABLE usage (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    turn           text NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    diver          text NOT NULL,
    agent          text NOT NULL,
    model          text NOT NULL,
    outcome        text NOT NULL,
    tokens         bigint NOT NULL,
    cost_micros    bigint NOT NULL,
    waited_ms      bigint NOT NULL,
    route_ms       bigint NOT NULL,
    search_ms      bigint NOT NULL,
    first_piece_ms bigint NOT NULL,
    total_ms       bigint NOT NULL,
    at             bigint NOT NULL
);
CREATE INDEX usage_conversation ON usage (conversation);

-- Spent and reserved by day; the row with an empty diver is everyone's.
CREATE TABLE spend (
    day         text NOT NULL,
    diver       text NOT NULL,
    tokens      bigint NOT NULL,
    cost_micros bigint NOT NULL,
    PRIMARY KEY (day, diver)
);
CREATE INDEX spend_diver ON spend (diver) WHERE diver <> '';

CREATE TABLE reservations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day         text NOT NULL,
    diver       text NOT NULL,
    tokens      bigint NOT NULL,
    cost_micros bigint NOT NULL
);

CREATE TABLE documents (
    path text COLLATE "C" PRIMARY KEY,
    hash         text NOT NULL,
    title        text NOT NULL,
    doc_type     text NOT NULL,
    front_matter text NOT NULL,
    ingested_at  bigint NOT NULL
);

CREATE TABLE passages (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text COLLATE "C" NOT NULL REFERENCES documents (path) ON DELETE CASCADE,
    position bigint NOT NULL,
    section  text   NOT NULL,
    text     text   NOT NULL,
    hash     text   NOT NULL,
    UNIQUE (path, position)
);
CREATE INDEX passages_hash ON passages (hash);

-- By the hash of the embedded text: equal words are embedded once, and outlive a re-ingestion. The vector is
-- kept in full, as the search in memory rescores with it; the index halves it, which costs no recall there.
CREATE TABLE content_embeddings (
    model   text   NOT NULL,
    hash    text   NOT NULL,
    dim     bigint NOT NULL,
    vector  vector NOT NULL,
    made_at bigint NOT NULL,
    PRIMARY KEY (model, hash)
);
CREATE INDEX content_embeddings_hnsw ON content_embeddings
    USING hnsw ((vector::halfvec(384)) halfvec_cosine_ops) WHERE dim = 384;

CREATE TABLE destinations (
    path text COLLATE "C" PRIMARY KEY REFERENCES documents (path) ON DELETE CASCADE,
    destination_id text,
    data           text NOT NULL
);

CREATE TABLE dive_sites (
    path text COLLATE "C" PRIMARY KEY REFERENCES documents (path) ON DELETE CASCADE,
    site_id text,
    data    text NOT NULL
);

CREATE TABLE api_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    scope      text NOT NULL,
    hash       text NOT NULL UNIQUE,             -- the key itself is never stored
    created_at bigint NOT NULL,
    revoked_at bigint
);
