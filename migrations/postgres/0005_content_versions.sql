-- The versions of each content directory, and what they consist of, so that a rollback finds it here. What is
-- searched stands in `documents` as before: the newest version that was not withdrawn.
CREATE TABLE content_versions (
    root         text   NOT NULL,
    number       bigint NOT NULL,                -- from 1, in the order of publication
    version      text   NOT NULL,                -- digest over its documents
    published_at bigint NOT NULL,
    withdrawn_at bigint,                         -- when a rollback took it back
    PRIMARY KEY (root, number)
);

-- A document as it stood in one version or several.
CREATE TABLE content_revisions (
    root     text NOT NULL,
    path     text COLLATE "C" NOT NULL,
    hash     text NOT NULL,
    document text NOT NULL,                      -- all of it, as JSON
    PRIMARY KEY (root, path, hash)
);

CREATE TABLE content_version_documents (
    root   text   NOT NULL,
    number bigint NOT NULL,
    path   text COLLATE "C" NOT NULL,
    hash   text   NOT NULL,
    PRIMARY KEY (root, number, path),
    FOREIGN KEY (root, number) REFERENCES content_versions (root, number) ON DELETE CASCADE
);
CREATE INDEX content_version_documents_revision ON content_version_documents (root, path, hash);
