-- Indexes by what is asked: neighbours of a silence by day, cell of 0.02 by 0.04 degrees, and time; and the narrower key of
-- 0024 on a hypertable too, of whose chunks the open ones get their index anew. Compressed chunks hold no rows in theirs.

DROP INDEX stop_day;
CREATE INDEX stop_cell ON stop (day, floor(lat * 50), floor(lon * 25), start_time, end_time);

DO $$
BEGIN
    IF (SELECT pg_get_indexdef('position_pkey'::regclass) NOT LIKE '%(vehicle_id, variant, fix_time)') THEN
        ALTER TABLE position DROP CONSTRAINT position_pkey, ADD PRIMARY KEY (vehicle_id, variant, fix_time);
    END IF;
END $$;
