-- Which replicas serve, so that the next sequencer waits for those only. Same meaning as the Postgres migration of this
-- version; here nobody takes a lease, and there are none.

DROP TABLE lease;
CREATE TABLE lease (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- always 1: one row
    fence      INTEGER NOT NULL UNIQUE CHECK (fence >= 0),  -- fencing number: one more with each holder
    holder     TEXT    NOT NULL,                            -- random name of the sequencer that holds it
    ttl_ms     INTEGER NOT NULL CHECK (ttl_ms >= 0),        -- how long it lasts without being renewed
    expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),    -- when it expires, ms since 1970
    readers    TEXT    NOT NULL                             -- names of the replicas that may serve; *: also others
) STRICT;
INSERT INTO lease (id, fence, holder, ttl_ms, expires_ms, readers) VALUES (1, 0, '', 0, 0, '');
