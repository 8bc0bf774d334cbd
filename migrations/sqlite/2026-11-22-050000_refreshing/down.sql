ALTER TABLE grants DROP COLUMN refreshing;
