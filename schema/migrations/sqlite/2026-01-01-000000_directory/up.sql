-- The directory's tables. Comments inside a statement stay in the database: `.schema` shows them.
-- "Keyed hash": first 16 bytes of BLAKE3 keyed with a key that is not in the database.
-- "Sealed": XChaCha20-Poly1305 under a key that is not in the database, bound to table and row.

CREATE TABLE meta (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1: one row
    key_check BLOB    NOT NULL                             -- sealed constant: opens only under this database's key
) STRICT;

CREATE TABLE tree_head (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1: one row
    epoch INTEGER NOT NULL CHECK (epoch >= 0),         -- newest epoch of the akd tree
    nodes INTEGER NOT NULL CHECK (nodes >= 0)          -- akd's count of tree nodes
) STRICT;

CREATE TABLE leaves (
    epoch  INTEGER NOT NULL CHECK (epoch >= 1),                     -- epoch that inserted them
    part   INTEGER NOT NULL CHECK (part >= 0),                      -- 0, 1, 2 of this epoch
    bytes  BLOB    NOT NULL CHECK (length(bytes) BETWEEN 64 AND 32768), -- label and commitment, 64 bytes each
    PRIMARY KEY (epoch, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    key   BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 36), -- node label: 32 bytes, u32 length in bits
    state BLOB NOT NULL CHECK (length(state) >= 1)           -- what akd sets outside of a publish: the empty root
) STRICT, WITHOUT ROWID;

CREATE TABLE label_states (
    label_hash BLOB    NOT NULL CHECK (length(label_hash) = 16), -- keyed hash of the label
    epoch      INTEGER NOT NULL CHECK (epoch >= 0),              -- epoch that published this version
    version    INTEGER NOT NULL CHECK (version >= 0),            -- version of the record
    sealed     BLOB    NOT NULL,                                 -- sealed: node label, label, record
    PRIMARY KEY (label_hash, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts (
    receipt_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(receipt_hash) = 16), -- keyed hash of the receipt's id
    label_hash   BLOB    NOT NULL CHECK (length(label_hash) = 16),               -- keyed hash of the label
    version      INTEGER NOT NULL CHECK (version >= 1),                          -- version the receipt promises
    epoch        INTEGER CHECK (epoch >= 1),                                     -- epoch that fulfilled it; NULL: pending
    sealed       BLOB    NOT NULL,                                               -- sealed: the receipt and what opens it
    UNIQUE (label_hash, version)                                                 -- one promise for each version
) STRICT, WITHOUT ROWID;

CREATE TABLE updates (
    seq                  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- order of acceptance, never used twice
    label_hash           BLOB    NOT NULL UNIQUE CHECK (length(label_hash) = 16), -- keyed hash; one pending update each
    version              INTEGER NOT NULL CHECK (version >= 1),      -- version the record will have
    holder_hash          BLOB CHECK (length(holder_hash) = 16),      -- alias: keyed hash of the account it names
    previous_holder_hash BLOB CHECK (length(previous_holder_hash) = 16), -- alias: keyed hash of the one it leaves
    changes_identity     INTEGER NOT NULL CHECK (changes_identity IN (0, 1)), -- account: the identity key changes
    receipt_hash         BLOB    NOT NULL UNIQUE REFERENCES receipts (receipt_hash), -- the receipt that was given
    accepted_ms          INTEGER NOT NULL CHECK (accepted_ms >= 0),  -- time of acceptance, ms since 1970
    epoch                INTEGER CHECK (epoch >= 1),                 -- epoch whose batch holds it; NULL: not frozen
    sealed               BLOB    NOT NULL                            -- sealed: label and record
) STRICT;
CREATE INDEX updates_by_epoch ON updates (epoch, seq);
CREATE INDEX updates_by_holder ON updates (holder_hash) WHERE holder_hash IS NOT NULL;
CREATE INDEX updates_by_previous_holder ON updates (previous_holder_hash) WHERE previous_holder_hash IS NOT NULL;

CREATE TABLE epochs (
    epoch    INTEGER NOT NULL PRIMARY KEY CHECK (epoch >= 0),      -- index of the leaf in the epoch log
    previous INTEGER UNIQUE REFERENCES epochs (epoch),             -- epoch - 1; NULL for epoch 0: no gaps, no forks
    leaf     BLOB    NOT NULL CHECK (length(leaf) = 164),          -- the leaf's exact bytes
    CHECK ((epoch = 0 AND previous IS NULL) OR (previous IS NOT NULL AND previous = epoch - 1))
) STRICT;

CREATE TABLE log_hashes (
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7), -- tile level: subtrees of 256^level leaves
    idx   INTEGER NOT NULL CHECK (idx >= 0),              -- index of the subtree in its level
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),     -- RFC 6962 hash of the complete subtree
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    epoch INTEGER NOT NULL PRIMARY KEY REFERENCES epochs (epoch), -- last leaf it covers: size - 1
    note  BLOB    NOT NULL                                        -- checkpoint as signed by the log key
) STRICT;

CREATE TABLE cosignatures (
    epoch    INTEGER NOT NULL REFERENCES checkpoints (epoch), -- last leaf of the cosigned checkpoint: size - 1
    key_hash BLOB    NOT NULL CHECK (length(key_hash) = 32),  -- BLAKE3 of the cosigner's vkey text (public)
    vkey     TEXT    NOT NULL,                                -- the cosigner's vkey text (public)
    line     TEXT    NOT NULL,                                -- the signature line of the note
    time_s   INTEGER NOT NULL CHECK (time_s >= 0),            -- time in the cosignature, s since 1970
    PRIMARY KEY (epoch, key_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE head (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),    -- always 1: one row
    epoch INTEGER NOT NULL REFERENCES checkpoints (epoch), -- epoch that readers stand on
    note  BLOB    NOT NULL                                -- its checkpoint with all cosignatures
) STRICT;
CREATE TRIGGER head_never_back BEFORE UPDATE ON head WHEN NEW.epoch < OLD.epoch
BEGIN
    SELECT RAISE(ABORT, 'the head never goes back');
END;

CREATE TABLE configs (
    hash        BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of the document (public)
    first_epoch INTEGER NOT NULL CHECK (first_epoch >= 0),              -- first epoch whose leaf names it
    document    BLOB    NOT NULL                                        -- the document's exact bytes (public)
) STRICT, WITHOUT ROWID;
