-- What the quality indicators count of vehicle-days beyond their metres.

ALTER TABLE vehicle_day ADD COLUMN misplaced bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN vehicle_day.misplaced IS 'Of the doubtful positions: with a fix at a place that cannot be true, because nothing drives that fast there and back, or because it is not on the map.';

-- Days that were audited before did not count them: they are audited again.
INSERT INTO stale_day (vehicle_id, day)
SELECT vehicle_id, day FROM vehicle_day v
WHERE EXISTS (SELECT FROM sealed_part p WHERE p.day = v.day AND p.bucket = v.vehicle_id / 512)
ORDER BY vehicle_id, day ON CONFLICT (day, vehicle_id) DO UPDATE SET revision = excluded.revision;
