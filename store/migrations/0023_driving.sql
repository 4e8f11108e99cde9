-- Nights that rules judge: the kind of zone they were spent in, and the order that covers them.

ALTER TABLE vehicle_night
    ADD COLUMN night_kind     text NOT NULL DEFAULT '',
    ADD COLUMN dispatch_order text;
COMMENT ON COLUMN vehicle_night.night_kind IS 'Kind of the zone there; empty where there is none, and for nights weighed before this column was.';
COMMENT ON COLUMN vehicle_night.dispatch_order IS 'Number of the dispatch order that covers most of the time between midnight and five; NULL without one.';
