-- Mileage: the values it was judged by stay beside the estimate.
ALTER TABLE trip ADD COLUMN gps_m double precision NOT NULL DEFAULT 0;
ALTER TABLE vehicle_day ADD COLUMN gps_m double precision NOT NULL DEFAULT 0, ADD COLUMN gap_m double precision NOT NULL DEFAULT 0;
UPDATE trip SET gps_m = distance_m;
UPDATE vehicle_day SET gps_m = distance_m;
COMMENT ON COLUMN trip.distance_m IS 'Metres, the best estimate: chords, longer where the course turned, shorter by what noise added, bridged by the odometer; low and high hold 95 of 100 trips.';
COMMENT ON COLUMN trip.gps_m IS 'Metres along the chords between positions, as measured.';
COMMENT ON COLUMN trip.odometer_m IS 'Metres by the terminal''s own counter; none where it sends none or the growth is not plausible.';
COMMENT ON COLUMN vehicle_day.distance_m IS 'Metres, the best estimate of all that was driven: trips and silences.';
COMMENT ON COLUMN vehicle_day.gps_m IS 'Metres of trips along the chords between positions, as measured.';
COMMENT ON COLUMN vehicle_day.gap_m IS 'Metres driven over silences, part of distance_m: growth of the odometer, or the straight line.';
COMMENT ON COLUMN vehicle_day.odometer_m IS 'Metres by the terminal''s own counter, silences included; none where it sends none.';
ALTER TABLE vehicle_day ADD COLUMN odometer_mark text NOT NULL DEFAULT '' CHECK (odometer_mark IN ('', 'stuck', 'reset'));
COMMENT ON COLUMN vehicle_day.odometer_mark IS 'stuck: it did not grow while the vehicle drove; reset: it ran backwards or leapt; empty: neither.';
