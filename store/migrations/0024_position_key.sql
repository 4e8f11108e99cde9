-- The key of `position` with the variant before the time. Between four bytes of vehicle and eight of time the two of the
-- variant lie in what alignment leaves free: an entry of the index takes 24 bytes and not 32. From this width on
-- PostgreSQL also fills the pages of an index that grows at the end of each vehicle, and does not leave them half empty.
-- A hypertable keeps the key it has: no key can be changed once chunks are compressed, and both serve the same questions.

DO $$
BEGIN
    IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'position'::regclass) THEN
        ALTER TABLE position DROP CONSTRAINT position_pkey, ADD PRIMARY KEY (vehicle_id, variant, fix_time);
    END IF;
END $$;
