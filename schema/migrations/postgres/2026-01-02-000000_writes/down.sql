DROP TABLE closings;
DROP TABLE relied_on;
DROP TABLE handle_skeletons;
