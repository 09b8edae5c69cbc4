-- The directory's tables. Same meaning as the SQLite migration of this version.
-- "Keyed hash": first 16 bytes of BLAKE3 keyed with a key that is not in the database.
-- "Sealed": XChaCha20-Poly1305 under a key that is not in the database, bound to table and row.

CREATE TABLE meta (
    id        SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    key_check BYTEA    NOT NULL
);
COMMENT ON COLUMN meta.id IS 'always 1: one row';
COMMENT ON COLUMN meta.key_check IS 'sealed constant: opens only under this database''s key';

CREATE TABLE tree_head (
    id    SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    nodes BIGINT NOT NULL CHECK (nodes >= 0)
);
COMMENT ON COLUMN tree_head.id IS 'always 1: one row';
COMMENT ON COLUMN tree_head.epoch IS 'newest epoch of the akd tree';
COMMENT ON COLUMN tree_head.nodes IS 'akd''s count of tree nodes';

CREATE TABLE leaves (
    epoch  BIGINT NOT NULL CHECK (epoch >= 1),
    part   BIGINT NOT NULL CHECK (part >= 0),
    bytes  BYTEA  NOT NULL CHECK (octet_length(bytes) BETWEEN 64 AND 32768),
    PRIMARY KEY (epoch, part)
);
-- Hashes do not compress: spare the attempt.
ALTER TABLE leaves ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON COLUMN leaves.epoch IS 'epoch that inserted them';
COMMENT ON COLUMN leaves.part IS '0, 1, 2 of this epoch';
COMMENT ON COLUMN leaves.bytes IS 'label and commitment, 64 bytes each';

CREATE TABLE nodes (
    key   BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(key) = 36),
    state BYTEA NOT NULL CHECK (octet_length(state) >= 1)
);
COMMENT ON COLUMN nodes.key IS 'node label: 32 bytes, u32 length in bits';
COMMENT ON COLUMN nodes.state IS 'what akd sets outside of a publish: the empty root';

CREATE TABLE label_states (
    label_hash BYTEA    NOT NULL CHECK (octet_length(label_hash) = 16),
    epoch      BIGINT NOT NULL CHECK (epoch >= 0),
    version    BIGINT NOT NULL CHECK (version >= 0),
    sealed     BYTEA    NOT NULL,
    PRIMARY KEY (label_hash, epoch)
);
COMMENT ON COLUMN label_states.label_hash IS 'keyed hash of the label';
COMMENT ON COLUMN label_states.epoch IS 'epoch that published this version';
COMMENT ON COLUMN label_states.version IS 'version of the record';
COMMENT ON COLUMN label_states.sealed IS 'sealed: node label, label, record';

CREATE TABLE receipts (
    receipt_hash BYTEA    NOT NULL PRIMARY KEY CHECK (octet_length(receipt_hash) = 16),
    label_hash   BYTEA    NOT NULL CHECK (octet_length(label_hash) = 16),
    version      BIGINT NOT NULL CHECK (version >= 1),
    epoch        BIGINT CHECK (epoch >= 1),
    sealed       BYTEA    NOT NULL,
    UNIQUE (label_hash, version)
);
COMMENT ON COLUMN receipts.receipt_hash IS 'keyed hash of the receipt''s id';
COMMENT ON COLUMN receipts.label_hash IS 'keyed hash of the label';
COMMENT ON COLUMN receipts.version IS 'version the receipt promises';
COMMENT ON COLUMN receipts.epoch IS 'epoch that fulfilled it; NULL: pending';
COMMENT ON COLUMN receipts.sealed IS 'sealed: the receipt and what opens it';

CREATE TABLE updates (
    seq                  BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label_hash           BYTEA    NOT NULL UNIQUE CHECK (octet_length(label_hash) = 16),
    version              BIGINT NOT NULL CHECK (version >= 1),
    holder_hash          BYTEA CHECK (octet_length(holder_hash) = 16),
    previous_holder_hash BYTEA CHECK (octet_length(previous_holder_hash) = 16),
    changes_identity     BOOLEAN NOT NULL,
    receipt_hash         BYTEA    NOT NULL UNIQUE REFERENCES receipts (receipt_hash),
    accepted_ms          BIGINT NOT NULL CHECK (accepted_ms >= 0),
    epoch                BIGINT CHECK (epoch >= 1),
    sealed               BYTEA    NOT NULL
);
CREATE INDEX updates_by_epoch ON updates (epoch, seq);
CREATE INDEX updates_by_holder ON updates (holder_hash) WHERE holder_hash IS NOT NULL;
CREATE INDEX updates_by_previous_holder ON updates (previous_holder_hash) WHERE previous_holder_hash IS NOT NULL;
COMMENT ON COLUMN updates.seq IS 'order of acceptance, never used twice';
COMMENT ON COLUMN updates.label_hash IS 'keyed hash; one pending update each';
COMMENT ON COLUMN updates.version IS 'version the record will have';
COMMENT ON COLUMN updates.holder_hash IS 'alias: keyed hash of the account it names';
COMMENT ON COLUMN updates.previous_holder_hash IS 'alias: keyed hash of the one it leaves';
COMMENT ON COLUMN updates.changes_identity IS 'account: the identity key changes';
COMMENT ON COLUMN updates.receipt_hash IS 'the receipt that was given';
COMMENT ON COLUMN updates.accepted_ms IS 'time of acceptance, ms since 1970';
COMMENT ON COLUMN updates.epoch IS 'epoch whose batch holds it; NULL: not frozen';
COMMENT ON COLUMN updates.sealed IS 'sealed: label and record';

CREATE TABLE epochs (
    epoch    BIGINT NOT NULL PRIMARY KEY CHECK (epoch >= 0),
    previous BIGINT UNIQUE REFERENCES epochs (epoch),
    leaf     BYTEA    NOT NULL CHECK (octet_length(leaf) = 164),
    CHECK ((epoch = 0 AND previous IS NULL) OR (previous IS NOT NULL AND previous = epoch - 1))
);
COMMENT ON COLUMN epochs.epoch IS 'index of the leaf in the epoch log';
COMMENT ON COLUMN epochs.previous IS 'epoch - 1; NULL for epoch 0: no gaps, no forks';
COMMENT ON COLUMN epochs.leaf IS 'the leaf''s exact bytes';

CREATE TABLE log_hashes (
    level SMALLINT NOT NULL CHECK (level BETWEEN 0 AND 7),
    idx   BIGINT NOT NULL CHECK (idx >= 0),
    hash  BYTEA    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, idx)
);
COMMENT ON COLUMN log_hashes.level IS 'tile level: subtrees of 256^level leaves';
COMMENT ON COLUMN log_hashes.idx IS 'index of the subtree in its level';
COMMENT ON COLUMN log_hashes.hash IS 'RFC 6962 hash of the complete subtree';

CREATE TABLE checkpoints (
    epoch BIGINT NOT NULL PRIMARY KEY REFERENCES epochs (epoch),
    note  BYTEA    NOT NULL
);
COMMENT ON COLUMN checkpoints.epoch IS 'last leaf it covers: size - 1';
COMMENT ON COLUMN checkpoints.note IS 'checkpoint as signed by the log key';

CREATE TABLE cosignatures (
    epoch    BIGINT NOT NULL REFERENCES checkpoints (epoch),
    key_hash BYTEA    NOT NULL CHECK (octet_length(key_hash) = 32),
    vkey     TEXT    NOT NULL,
    line     TEXT    NOT NULL,
    time_s   BIGINT NOT NULL CHECK (time_s >= 0),
    PRIMARY KEY (epoch, key_hash)
);
COMMENT ON COLUMN cosignatures.epoch IS 'last leaf of the cosigned checkpoint: size - 1';
COMMENT ON COLUMN cosignatures.key_hash IS 'BLAKE3 of the cosigner''s vkey text (public)';
COMMENT ON COLUMN cosignatures.vkey IS 'the cosigner''s vkey text (public)';
COMMENT ON COLUMN cosignatures.line IS 'the signature line of the note';
COMMENT ON COLUMN cosignatures.time_s IS 'time in the cosignature, s since 1970';

CREATE TABLE head (
    id    SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL REFERENCES checkpoints (epoch),
    note  BYTEA    NOT NULL
);
COMMENT ON COLUMN head.id IS 'always 1: one row';
COMMENT ON COLUMN head.epoch IS 'epoch that readers stand on';
COMMENT ON COLUMN head.note IS 'its checkpoint with all cosignatures';

CREATE TABLE configs (
    hash        BYTEA    NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    first_epoch BIGINT NOT NULL CHECK (first_epoch >= 0),
    document    BYTEA    NOT NULL
);
COMMENT ON COLUMN configs.hash IS 'SHA-256 of the document (public)';
COMMENT ON COLUMN configs.first_epoch IS 'first epoch whose leaf names it';
COMMENT ON COLUMN configs.document IS 'the document''s exact bytes (public)';

CREATE FUNCTION head_never_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the head never goes back';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER head_never_back BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_never_back();
