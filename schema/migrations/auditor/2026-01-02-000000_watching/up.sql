-- What others have seen of a log, and of us.

-- When the auditor's owner was told of the contradiction by every configured hook, ms since 1970; empty: not yet.
ALTER TABLE latches ADD COLUMN told_at INTEGER CHECK (told_at >= 0);

-- Heads that others hold and that the log signed, larger than what is verified here: compared as soon as it is.
CREATE TABLE heads (
    directory INTEGER NOT NULL REFERENCES directories (id),
    size      INTEGER NOT NULL CHECK (size > 0),
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    -- The signed note as received, with the log's lines only.
    note      BLOB    NOT NULL,
    PRIMARY KEY (directory, size, root)
) STRICT, WITHOUT ROWID;

-- The operator's heartbeats on the largest head on which one was seen.
CREATE TABLE heartbeats (
    directory INTEGER NOT NULL PRIMARY KEY REFERENCES directories (id),
    -- Size of that head.
    size      INTEGER NOT NULL CHECK (size > 0),
    -- Earliest heartbeat seen on it, s since 1970, and the note that carries it.
    first_at  INTEGER NOT NULL CHECK (first_at >= 0),
    first     BLOB    NOT NULL,
    -- Latest one.
    last_at   INTEGER NOT NULL CHECK (last_at >= first_at),
    last      BLOB    NOT NULL
) STRICT;

-- The newest cosignature of each peer: a peer that lost its memory is told by it.
CREATE TABLE peers (
    directory INTEGER NOT NULL REFERENCES directories (id),
    -- The peer's vkey.
    vkey      TEXT    NOT NULL,
    -- What it cosigned, and the time in its cosignature, s since 1970.
    size      INTEGER NOT NULL CHECK (size >= 0),
    at        INTEGER NOT NULL CHECK (at >= 0),
    -- The signed note with the log's and the peer's lines.
    note      BLOB    NOT NULL,
    PRIMARY KEY (directory, vkey)
) STRICT, WITHOUT ROWID;
