CREATE TABLE ordered_label_states (
    label_hash BLOB    NOT NULL CHECK (length(label_hash) = 16),
    epoch      INTEGER NOT NULL CHECK (epoch >= 0),
    version    INTEGER NOT NULL CHECK (version >= 0),
    sealed     BLOB    NOT NULL,
    PRIMARY KEY (label_hash, epoch)
) STRICT, WITHOUT ROWID;
INSERT INTO ordered_label_states (label_hash, epoch, version, sealed)
    SELECT label_hash, epoch, version, sealed FROM label_states;
DROP TABLE label_states;
ALTER TABLE ordered_label_states RENAME TO label_states;
