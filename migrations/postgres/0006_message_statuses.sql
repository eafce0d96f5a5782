-- How far messages got after their platform took them, by the platform's id of the message. A status may
-- come before the receipt is stored, so it stands by itself.
CREATE TABLE message_statuses (
    conversation text COLLATE "C" NOT NULL,
    receipt      text   NOT NULL,
    rank         bigint NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (conversation, receipt)
);
CREATE INDEX message_statuses_at ON message_statuses (at);
CREATE INDEX outbox_given_up ON outbox (settled_at DESC, id DESC) WHERE state = 'dead';
