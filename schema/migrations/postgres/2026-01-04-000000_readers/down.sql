ALTER TABLE lease ALTER COLUMN readers TYPE BOOLEAN USING readers <> '';
COMMENT ON COLUMN lease.readers IS 'whether replicas served when it was last renewed';
