DROP TABLE bucket;
