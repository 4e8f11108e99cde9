-- A mark says which one it is: an audit takes those that it saw before it read anything, and no newer ones.

CREATE SEQUENCE stale_revision;
ALTER TABLE stale_day ADD COLUMN revision bigint NOT NULL DEFAULT nextval('stale_revision');
ALTER SEQUENCE stale_revision OWNED BY stale_day.revision;
COMMENT ON SEQUENCE stale_revision IS 'Never gives a number twice: a mark that was taken and set again is another one.';
COMMENT ON TABLE stale_day IS 'Closed vehicle-days that wait for an audit: sealed, or judged by another duty calendar, since the last one.';
COMMENT ON COLUMN stale_day.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN stale_day.day IS 'Local day.';
COMMENT ON COLUMN stale_day.revision IS 'The newest reason to audit the day again; each new reason raises it.';
