-- The versions of each content directory, and what they consist of, so that a rollback finds it here. What is
-- searched stands in `documents` as before: the newest version that was not withdrawn.
CREATE TABLE content_versions (
    root         TEXT NOT NULL,
    number       INTEGER NOT NULL,               -- from 1, in the order of publication
    version      TEXT NOT NULL,                  -- digest over its documents
    published_at INTEGER NOT NULL,
    withdrawn_at INTEGER,                        -- when a rollback took it back
    PRIMARY KEY (root, number)
) WITHOUT ROWID;

-- A document as it stood in one version or several.
CREATE TABLE content_revisions (
    root     TEXT NOT NULL,
    path     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    document TEXT NOT NULL,                      -- all of it, as JSON
    PRIMARY KEY (root, path, hash)
);

CREATE TABLE content_version_documents (
    root   TEXT NOT NULL,
    number INTEGER NOT NULL,
    path   TEXT NOT NULL,
    hash   TEXT NOT NULL,
    PRIMARY KEY (root, number, path),
    FOREIGN KEY (root, number) REFERENCES content_versions (root, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX content_version_documents_revision ON content_version_documents (root, path, hash);
