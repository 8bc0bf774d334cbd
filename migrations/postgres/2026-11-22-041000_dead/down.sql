DROP INDEX parking_open;
DROP INDEX inbox_dead;
DROP INDEX delivery_parked;
DROP INDEX delivery_dead;
