-- What decides about claims and erasures. "Keyed hash" and "sealed" as in the first migration.

CREATE TABLE handle_skeletons (
    skeleton_hash BLOB NOT NULL PRIMARY KEY CHECK (length(skeleton_hash) = 16), -- keyed hash of what a handle looks like
    label_hash    BLOB NOT NULL CHECK (length(label_hash) = 16)                 -- keyed hash of the first such handle
) STRICT, WITHOUT ROWID;

CREATE TABLE relied_on (
    label_hash BLOB NOT NULL PRIMARY KEY CHECK (length(label_hash) = 16) -- keyed hash of an account: others' aliases need it
) STRICT, WITHOUT ROWID;

CREATE TABLE closings (
    label_hash  BLOB    NOT NULL PRIMARY KEY CHECK (length(label_hash) = 16), -- keyed hash of a closed account
    due_from_ms INTEGER NOT NULL CHECK (due_from_ms >= 0), -- from when its time until erasure counts, ms since 1970
    sealed      BLOB    NOT NULL                           -- sealed: the account's label
) STRICT, WITHOUT ROWID;
CREATE INDEX closings_by_time ON closings (due_from_ms);
