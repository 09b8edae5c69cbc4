-- Versions are appended, and found by a small index. WITHOUT ROWID kept whole records in the index's inner pages as well: ten to
-- a page, so that each of a batch's records cost several pages, read and written. Postgres keeps rows in a heap as it is.

CREATE TABLE appended_label_states (
    label_hash BLOB    NOT NULL CHECK (length(label_hash) = 16), -- keyed hash of the label
    epoch      INTEGER NOT NULL CHECK (epoch >= 0),              -- epoch that published this version
    version    INTEGER NOT NULL CHECK (version >= 0),            -- version of the record
    sealed     BLOB    NOT NULL,                                 -- sealed: node label, label, record
    UNIQUE (label_hash, epoch)
) STRICT;
INSERT INTO appended_label_states (label_hash, epoch, version, sealed)
    SELECT label_hash, epoch, version, sealed FROM label_states;
DROP TABLE label_states;
ALTER TABLE appended_label_states RENAME TO label_states;
