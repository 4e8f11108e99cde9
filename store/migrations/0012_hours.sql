-- The live hour of each vehicle, and what upkeep has to know: which hours are summed, which days the archive alone holds.
-- The views live_vehicle_hour, live_vehicle_day, live_unit_hour and live_unit_day stand on these tables or, where the
-- server has them, on continuous aggregates; they are made after the migrations, by the layout of `position`.

CREATE TABLE vehicle_hour_sum (
    vehicle_id      int NOT NULL,
    hour            timestamptz NOT NULL,
    positions       bigint NOT NULL,
    fixes           bigint NOT NULL,
    moving          bigint NOT NULL,
    max_speed_mps   real,
    first_fix       timestamptz NOT NULL,
    last_fix        timestamptz NOT NULL,
    odometer_low_m  bigint,
    odometer_high_m bigint,
    PRIMARY KEY (hour, vehicle_id)
);
COMMENT ON TABLE vehicle_hour_sum IS 'Sums of a vehicle''s positions by hour of fix, of hours before rollup_state.stored_before; with continuous aggregates only of days that the archive alone holds.';
COMMENT ON COLUMN vehicle_hour_sum.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN vehicle_hour_sum.hour IS 'Beginning of the hour.';
COMMENT ON COLUMN vehicle_hour_sum.positions IS 'All positions.';
COMMENT ON COLUMN vehicle_hour_sum.fixes IS 'Of these with a valid fix.';
COMMENT ON COLUMN vehicle_hour_sum.moving IS 'Of the valid ones at 1.5 m/s or more.';
COMMENT ON COLUMN vehicle_hour_sum.max_speed_mps IS 'Highest speed of a valid one; NULL: none was sent.';
COMMENT ON COLUMN vehicle_hour_sum.first_fix IS 'Earliest fix time.';
COMMENT ON COLUMN vehicle_hour_sum.last_fix IS 'Latest fix time.';
COMMENT ON COLUMN vehicle_hour_sum.odometer_low_m IS 'Lowest odometer sent; NULL: none was.';
COMMENT ON COLUMN vehicle_hour_sum.odometer_high_m IS 'Highest odometer sent; NULL: none was.';

CREATE TABLE rollup_state (
    only_one      boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    stored_before timestamptz NOT NULL DEFAULT '-infinity',
    marked_before timestamptz NOT NULL DEFAULT '-infinity',
    settled_at    text,
    CHECK (stored_before <= marked_before)
);
INSERT INTO rollup_state DEFAULT VALUES;
COMMENT ON TABLE rollup_state IS 'How far the sums of hours go.';
COMMENT ON COLUMN rollup_state.only_one IS 'There is one row.';
COMMENT ON COLUMN rollup_state.stored_before IS 'Hours before it are read from sums, the others from positions.';
COMMENT ON COLUMN rollup_state.marked_before IS 'Writers of positions mark the hours before it in stale_hour.';
COMMENT ON COLUMN rollup_state.settled_at IS 'Transaction number: once all older ones are over, every writer knows marked_before; NULL: not known yet.';

CREATE SEQUENCE hour_revision;
CREATE TABLE stale_hour (
    hour       timestamptz NOT NULL,
    vehicle_id int NOT NULL,
    revision   bigint NOT NULL DEFAULT nextval('hour_revision'),
    PRIMARY KEY (hour, vehicle_id)
);
ALTER SEQUENCE hour_revision OWNED BY stale_hour.revision;
COMMENT ON SEQUENCE hour_revision IS 'Never gives a number twice: a mark that was taken and set again is another one.';
COMMENT ON TABLE stale_hour IS 'Hours of vehicles that got positions after they were summed, or while they were.';
COMMENT ON COLUMN stale_hour.hour IS 'Beginning of the hour.';
COMMENT ON COLUMN stale_hour.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN stale_hour.revision IS 'The newest reason to sum the hour again; each new reason raises it.';

CREATE TABLE dropped_day (
    day        date PRIMARY KEY,
    positions  bigint NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE dropped_day IS 'Local days of which the database no longer holds all positions: the sealed archive does. Late positions of such a day come beside it, and bring it back when they are sealed.';
COMMENT ON COLUMN dropped_day.day IS 'Local day.';
COMMENT ON COLUMN dropped_day.positions IS 'Positions it had, as counted in the database and in the archive.';
COMMENT ON COLUMN dropped_day.dropped_at IS 'When.';

CREATE TABLE retention_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    kind     text NOT NULL CHECK (kind IN ('positions', 'notes', 'flags', 'brought back')),
    day      date NOT NULL,
    rows     bigint NOT NULL
);
COMMENT ON TABLE retention_log IS 'What retention took away, and what came back from the archive. Append-only.';
COMMENT ON COLUMN retention_log.entry_id IS 'In order of time.';
COMMENT ON COLUMN retention_log.at IS 'When.';
COMMENT ON COLUMN retention_log.kind IS 'What was dropped; `brought back`: positions read from the archive again, for a late one to be sealed with them.';
COMMENT ON COLUMN retention_log.day IS 'Local day of what was dropped.';
COMMENT ON COLUMN retention_log.rows IS 'How many.';
CREATE TRIGGER retention_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON retention_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE converted_day (
    day date PRIMARY KEY
);
COMMENT ON TABLE converted_day IS 'While partitions are turned into chunks: days that were copied already.';
COMMENT ON COLUMN converted_day.day IS 'Local day.';
CREATE TABLE changed_day (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day       date NOT NULL
);
COMMENT ON TABLE changed_day IS 'While partitions are turned into chunks: days that positions came to or changed in; they are copied again.';
COMMENT ON COLUMN changed_day.change_id IS 'In order of coming.';
COMMENT ON COLUMN changed_day.day IS 'Local day.';
