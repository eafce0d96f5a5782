-- Conversations that a person has taken over. A row outlives its pause until what was left is taken up.
CREATE TABLE pauses (
    conversation text COLLATE "C" PRIMARY KEY,
    since        bigint NOT NULL,
    until        bigint NOT NULL,
    by           text   NOT NULL,
    answered     bigint NOT NULL                 -- up to this turn everything said has its answer
);
CREATE INDEX pauses_until ON pauses (until);

-- What people did in a conversation, and the turns no message asked for.
CREATE TABLE interventions (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL,
    kind         text   NOT NULL CHECK (kind IN ('pause', 'resume', 'reply', 'notice', 'taken_up')),
    turn         text,
    by           text   NOT NULL,
    at           bigint NOT NULL
);
CREATE INDEX interventions_conversation ON interventions (conversation, number);

-- Who looked at what, and who changed what. Only ever added to, until its retention ends.
CREATE TABLE audit (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     text   NOT NULL,
    name    text   NOT NULL,
    action  text   NOT NULL,
    subject text   NOT NULL,
    at      bigint NOT NULL
);

CREATE INDEX usage_at ON usage (at);
CREATE INDEX sessions_newest ON sessions (bot, updated_at, number);
