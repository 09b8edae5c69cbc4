DROP TABLE lease;
CREATE TABLE lease (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1: one row
    fence      INTEGER NOT NULL UNIQUE CHECK (fence >= 0),  -- fencing number: one more with each holder
    holder     TEXT    NOT NULL,                            -- random name of the sequencer that holds it
    ttl_ms     INTEGER NOT NULL CHECK (ttl_ms >= 0),        -- how long it lasts without being renewed
    expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),    -- when it expires, ms since 1970
    readers    INTEGER NOT NULL                             -- whether replicas served when it was last renewed
) STRICT;
INSERT INTO lease (id, fence, holder, ttl_ms, expires_ms, readers) VALUES (1, 0, '', 0, 0, 0);
