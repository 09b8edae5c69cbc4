DROP TABLE keyglass_guard;
