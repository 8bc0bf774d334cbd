DROP TABLE hearing;
