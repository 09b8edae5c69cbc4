-- What decides about claims and erasures. Same meaning as the SQLite migration of this version.

CREATE TABLE handle_skeletons (
    skeleton_hash BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(skeleton_hash) = 16),
    label_hash    BYTEA NOT NULL CHECK (octet_length(label_hash) = 16)
);
COMMENT ON COLUMN handle_skeletons.skeleton_hash IS 'keyed hash of what a handle looks like';
COMMENT ON COLUMN handle_skeletons.label_hash IS 'keyed hash of the first such handle';

CREATE TABLE relied_on (
    label_hash BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(label_hash) = 16)
);
COMMENT ON COLUMN relied_on.label_hash IS 'keyed hash of an account: others'' aliases need it';

CREATE TABLE closings (
    label_hash  BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(label_hash) = 16),
    due_from_ms BIGINT NOT NULL CHECK (due_from_ms >= 0),
    sealed      BYTEA  NOT NULL
);
CREATE INDEX closings_by_time ON closings (due_from_ms);
COMMENT ON COLUMN closings.label_hash IS 'keyed hash of a closed account';
COMMENT ON COLUMN closings.due_from_ms IS 'from when its time until erasure counts, ms since 1970';
COMMENT ON COLUMN closings.sealed IS 'sealed: the account''s label';
