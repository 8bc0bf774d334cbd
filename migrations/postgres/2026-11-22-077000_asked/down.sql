DROP INDEX delivery_asked;
