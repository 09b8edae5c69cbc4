DROP TABLE peers;
DROP TABLE heartbeats;
DROP TABLE heads;
ALTER TABLE latches DROP COLUMN told_at;
