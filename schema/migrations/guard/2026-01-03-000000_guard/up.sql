-- The guard, in a Postgres of its own: what each log's key signed last, and who may move it.

CREATE TABLE keyglass_guard (
    origin   TEXT   NOT NULL PRIMARY KEY,
    size     BIGINT NOT NULL CHECK (size >= 0),
    root     BYTEA  NOT NULL CHECK (octet_length(root) = 32),
    fence    BIGINT NOT NULL CHECK (fence >= 0),
    database TEXT   NOT NULL
);
COMMENT ON COLUMN keyglass_guard.origin IS 'name of the log';
COMMENT ON COLUMN keyglass_guard.size IS 'size that its key signed last, or was about to sign; 0: none yet';
COMMENT ON COLUMN keyglass_guard.root IS 'its root; zeros for size 0';
COMMENT ON COLUMN keyglass_guard.fence IS 'fencing number of the sequencer that may move it; 0: none yet';
COMMENT ON COLUMN keyglass_guard.database IS 'the database that it was last used with, as the server writes it down';
