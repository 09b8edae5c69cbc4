-- Who may write. Same meaning as the SQLite migration of this version.

CREATE TABLE lease (
    id         SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Unique, so that a writer's key-share lock is in the way of the next holder and not of a renewal.
    fence      BIGINT   NOT NULL UNIQUE CHECK (fence >= 0),
    holder     TEXT     NOT NULL,
    ttl_ms     BIGINT   NOT NULL CHECK (ttl_ms >= 0),
    expires_ms BIGINT   NOT NULL CHECK (expires_ms >= 0),
    readers    BOOLEAN  NOT NULL
);
COMMENT ON COLUMN lease.id IS 'always 1: one row';
COMMENT ON COLUMN lease.fence IS 'fencing number: one more with each holder';
COMMENT ON COLUMN lease.holder IS 'random name of the sequencer that holds it; empty: released';
COMMENT ON COLUMN lease.ttl_ms IS 'how long it lasts without being renewed';
COMMENT ON COLUMN lease.expires_ms IS 'when it expires by this database''s clock, ms since 1970';
COMMENT ON COLUMN lease.readers IS 'whether replicas served when it was last renewed';
INSERT INTO lease (id, fence, holder, ttl_ms, expires_ms, readers) VALUES (1, 0, '', 0, 0, FALSE);
