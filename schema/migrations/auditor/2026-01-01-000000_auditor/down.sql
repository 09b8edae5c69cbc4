DROP TABLE latches;
DROP TABLE configs;
DROP TABLE checkpoints;
DROP TABLE nodes;
DROP TABLE leaves;
DROP TABLE directories;
