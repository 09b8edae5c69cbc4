-- The auditor's own memory. It holds public data only, so nothing here is sealed.

-- One followed log.
CREATE TABLE directories (
    -- Short number of the log in the other tables.
    id            INTEGER PRIMARY KEY,
    -- The log's origin: name of its key, first line of its checkpoints.
    origin        TEXT    NOT NULL UNIQUE,
    -- vkey of the log; never changes.
    log_vkey      TEXT    NOT NULL,
    -- Leaves [start_size, verified_size) were verified here; those below start_size were taken on trust.
    start_size    INTEGER NOT NULL DEFAULT 0 CHECK (start_size >= 0),
    -- Every leaf and audit proof below this size is verified.
    verified_size INTEGER NOT NULL DEFAULT 0 CHECK (verified_size >= start_size),
    -- RFC 6962 root of the log at verified_size.
    verified_root BLOB    NOT NULL CHECK (length(verified_root) = 32)
) STRICT;

-- Verified leaves (and the last one before start_size).
CREATE TABLE leaves (
    directory INTEGER NOT NULL REFERENCES directories (id),
    -- Leaf index = epoch.
    epoch     INTEGER NOT NULL CHECK (epoch >= 0),
    -- The 164 bytes in the log.
    leaf      BLOB    NOT NULL CHECK (length(leaf) = 164),
    PRIMARY KEY (directory, epoch)
) STRICT, WITHOUT ROWID;

-- Hashes of complete subtrees of the log, from which roots and proofs of any verified size follow.
CREATE TABLE nodes (
    directory INTEGER NOT NULL REFERENCES directories (id),
    -- log2 of the number of leaves below. Level 0 only where the leaf itself is not stored.
    level     INTEGER NOT NULL CHECK (level BETWEEN 0 AND 63),
    -- Number of the subtree in its level, from the left.
    position  INTEGER NOT NULL CHECK (position >= 0),
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (directory, level, position)
) STRICT, WITHOUT ROWID;

-- Checkpoints that were cosigned, or trusted at the start. One root per size for ever: the key forbids a second.
CREATE TABLE checkpoints (
    directory INTEGER NOT NULL REFERENCES directories (id),
    size      INTEGER NOT NULL CHECK (size >= 0),
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    -- The signed note as received.
    note      BLOB    NOT NULL,
    -- Time in our newest cosignature, s since 1970; empty for one that was only trusted.
    signed_at INTEGER CHECK (signed_at >= 0),
    PRIMARY KEY (directory, size)
) STRICT, WITHOUT ROWID;

-- Configuration documents named by verified leaves.
CREATE TABLE configs (
    directory   INTEGER NOT NULL REFERENCES directories (id),
    -- SHA-256 of the bytes.
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    bytes       BLOB    NOT NULL,
    -- First verified epoch that names it.
    first_epoch INTEGER NOT NULL CHECK (first_epoch >= 0),
    PRIMARY KEY (directory, hash)
) STRICT, WITHOUT ROWID;

-- Contradictions found. While one of a directory is not cleared, nothing of it is signed.
CREATE TABLE latches (
    id              INTEGER PRIMARY KEY,
    directory       INTEGER NOT NULL REFERENCES directories (id),
    -- Kind of the evidence.
    kind            TEXT    NOT NULL,
    -- Stable name of the broken rule.
    reason          TEXT    NOT NULL,
    -- Name of the evidence file, if it could be written.
    file            TEXT,
    -- When, ms since 1970.
    latched_at      INTEGER NOT NULL CHECK (latched_at >= 0),
    -- When the auditor's owner cleared it, ms since 1970.
    cleared_at      INTEGER CHECK (cleared_at >= latched_at),
    -- Why he did.
    cleared_because TEXT,
    CHECK ((cleared_at IS NULL) = (cleared_because IS NULL))
) STRICT;
