-- What trips are weighed by beyond their own positions: nights against the base, and kilometres in the dark.

CREATE TABLE vehicle_night (
    vehicle_id     int NOT NULL REFERENCES vehicle,
    day            date NOT NULL,
    lat            double precision NOT NULL,
    lon            double precision NOT NULL,
    place          text NOT NULL DEFAULT '',
    night_s        double precision NOT NULL,
    base_m         double precision,
    nights_here    int NOT NULL,
    learned_lat    double precision,
    learned_lon    double precision,
    learned_nights int NOT NULL,
    learned_base_m double precision,
    PRIMARY KEY (vehicle_id, day),
    CHECK ((learned_lat IS NULL) = (learned_nights = 0))
);
COMMENT ON TABLE vehicle_night IS 'Where a vehicle slept, and the base that the four weeks of nights up to that one teach. Derived from stops; a night not seen has no row.';
COMMENT ON COLUMN vehicle_night.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN vehicle_night.day IS 'Local day on whose early morning the night ends.';
COMMENT ON COLUMN vehicle_night.lat IS 'Overnight place, WGS-84 degrees: where it stood longest between midnight and five.';
COMMENT ON COLUMN vehicle_night.lon IS 'Overnight place, WGS-84 degrees.';
COMMENT ON COLUMN vehicle_night.place IS 'Name of the zone there; empty where there is none.';
COMMENT ON COLUMN vehicle_night.night_s IS 'Seconds of that time it stood there.';
COMMENT ON COLUMN vehicle_night.base_m IS 'Metres from the edge of the declared base; 0 inside it, NULL where none is declared.';
COMMENT ON COLUMN vehicle_night.nights_here IS 'Nights of the four weeks at this place, this one counted.';
COMMENT ON COLUMN vehicle_night.learned_lat IS 'Learned base, WGS-84 degrees: the mean of the densest nights; NULL where nothing is learned.';
COMMENT ON COLUMN vehicle_night.learned_lon IS 'Learned base, WGS-84 degrees.';
COMMENT ON COLUMN vehicle_night.learned_nights IS 'Nights that the learned base rests on; 0: nothing is learned.';
COMMENT ON COLUMN vehicle_night.learned_base_m IS 'Metres of the learned base from the edge of the declared one; NULL where either is missing.';
CREATE INDEX vehicle_night_day ON vehicle_night (day);

CREATE TABLE dark_entry (
    dark_id           text PRIMARY KEY,
    vehicle_id        int NOT NULL REFERENCES vehicle,
    day               date NOT NULL,
    start_time        timestamptz NOT NULL,
    end_time          timestamptz NOT NULL,
    start_lat         double precision NOT NULL,
    start_lon         double precision NOT NULL,
    end_lat           double precision NOT NULL,
    end_lon           double precision NOT NULL,
    jump_m            double precision NOT NULL,
    odometer_m        double precision,
    dark_m            double precision NOT NULL,
    fixless           int NOT NULL,
    power_cut         boolean NOT NULL,
    antenna_fault     boolean NOT NULL,
    dark_s            double precision NOT NULL,
    off_hours_s       double precision NOT NULL,
    off_hours_share   double precision NOT NULL,
    dispatch_order    text,
    order_cover       double precision NOT NULL,
    neighbours_silent int NOT NULL,
    neighbours_seen   int NOT NULL,
    dark_cause        text NOT NULL CHECK (dark_cause IN ('power_cut', 'antenna', 'no_fix', 'carried', 'coverage',
                          'unknown')),
    CHECK (start_time < end_time)
);
COMMENT ON TABLE dark_entry IS 'The dark-kilometre ledger: silences in which a vehicle made metres, each with its cause.';
COMMENT ON COLUMN dark_entry.dark_id IS 'Vehicle and local time of the last fix before.';
COMMENT ON COLUMN dark_entry.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN dark_entry.day IS 'Local day of the last fix before.';
COMMENT ON COLUMN dark_entry.start_time IS 'The last usable fix before.';
COMMENT ON COLUMN dark_entry.end_time IS 'The first usable fix after.';
COMMENT ON COLUMN dark_entry.start_lat IS 'Where it was last seen, WGS-84 degrees.';
COMMENT ON COLUMN dark_entry.start_lon IS 'Where it was last seen, WGS-84 degrees.';
COMMENT ON COLUMN dark_entry.end_lat IS 'Where it was seen again, WGS-84 degrees.';
COMMENT ON COLUMN dark_entry.end_lon IS 'Where it was seen again, WGS-84 degrees.';
COMMENT ON COLUMN dark_entry.jump_m IS 'Metres between these places.';
COMMENT ON COLUMN dark_entry.odometer_m IS 'Growth of the odometer meanwhile, metres; NULL where it is not known or was reset.';
COMMENT ON COLUMN dark_entry.dark_m IS 'Metres in the dark: whichever of the two is more.';
COMMENT ON COLUMN dark_entry.fixless IS 'Reports without a fix in between.';
COMMENT ON COLUMN dark_entry.power_cut IS 'The terminal told that it lost its power (JT/T 808 alarm bit 8).';
COMMENT ON COLUMN dark_entry.antenna_fault IS 'The terminal told that its antenna was off or shorted (JT/T 808 alarm bits 5 and 6).';
COMMENT ON COLUMN dark_entry.dark_s IS 'Seconds without a usable fix.';
COMMENT ON COLUMN dark_entry.off_hours_s IS 'Seconds of it outside the duty calendar.';
COMMENT ON COLUMN dark_entry.off_hours_share IS 'Share of it outside the duty calendar.';
COMMENT ON COLUMN dark_entry.dispatch_order IS 'Dispatch order that covers at least half of it; NULL without one.';
COMMENT ON COLUMN dark_entry.order_cover IS 'Share of it that the best order covers.';
COMMENT ON COLUMN dark_entry.neighbours_silent IS 'Other vehicles near either end that were silent all the while they were there.';
COMMENT ON COLUMN dark_entry.neighbours_seen IS 'Other vehicles near either end that reported meanwhile.';
COMMENT ON COLUMN dark_entry.dark_cause IS 'What it is attributed to: power_cut, antenna, no_fix (garage, tunnel), carried (the odometer stood), coverage (neighbours were silent too), unknown.';
CREATE INDEX dark_entry_vehicle ON dark_entry (vehicle_id, day);
CREATE INDEX dark_entry_day ON dark_entry (day);

-- Neighbours of a silence are sought by day and place.
DROP INDEX stop_day;
CREATE INDEX stop_day ON stop (day, lat);

COMMENT ON COLUMN trip.features IS 'Every further number a rule may ask for: of the trip itself, of the four weeks that end with its day, the parts of its score (score_*), and what cleared them (cleared).';
COMMENT ON COLUMN flag.trip_id IS 'The trip it is on; empty for a flag on an entry of the dark-kilometre ledger.';

-- Trips that were audited before know nothing of all this: they are audited again.
INSERT INTO stale_day (vehicle_id, day)
SELECT vehicle_id, day FROM vehicle_day v
WHERE EXISTS (SELECT FROM sealed_part p WHERE p.day = v.day AND p.bucket = v.vehicle_id / 512) ON CONFLICT DO NOTHING;
