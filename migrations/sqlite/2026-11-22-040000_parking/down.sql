DROP TABLE administrator;
DROP TABLE parking;
