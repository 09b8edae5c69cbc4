-- Which replicas serve, so that the next sequencer waits for those only. Same meaning as the SQLite migration of this version.

ALTER TABLE lease ALTER COLUMN readers TYPE TEXT USING CASE WHEN readers THEN '*' ELSE '' END;
COMMENT ON COLUMN lease.readers IS 'names of the replicas that may serve, a space between; *: also others';
