-- The first of the sessions that followed one upon another in one browser, each replacing the
-- one before; NULL is the session itself, also in rows of before. For telling circles.
ALTER TABLE sessions ADD COLUMN lineage TEXT;
