-- What pages sum of the vehicle-days of some days, and which flags wait since when, without reading the rows.
DROP INDEX vehicle_day_day;
CREATE INDEX vehicle_day_day ON vehicle_day (day)
    INCLUDE (vehicle_id, trips, distance_m, off_hours_m, gap_m, misplaced);
CREATE INDEX flag_raised ON flag (raised_at) INCLUDE (level, exemption_id, flag_id) WHERE withdrawn_at IS NULL;
