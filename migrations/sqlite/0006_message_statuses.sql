-- How far messages got after their platform took them, by the platform's id of the message. A status may
-- come before the receipt is stored, so it stands by itself.
CREATE TABLE message_statuses (
    conversation TEXT NOT NULL,
    receipt      TEXT NOT NULL,
    rank         INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (conversation, receipt)
) WITHOUT ROWID;
CREATE INDEX message_statuses_at ON message_statuses (at);
