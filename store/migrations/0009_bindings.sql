-- Terminals are bound to vehicles over time: what one sends late is credited to the car it was in then.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE SEQUENCE binding_revision;
COMMENT ON SEQUENCE binding_revision IS 'Each change of a binding takes the next; receivers that see a higher one read the bindings anew.';

CREATE TABLE terminal_binding (
    binding_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_no text NOT NULL REFERENCES terminal,
    vehicle_id  int NOT NULL REFERENCES vehicle,
    valid       tstzrange NOT NULL,
    revision    bigint NOT NULL DEFAULT nextval('binding_revision'),
    CONSTRAINT terminal_binding_valid_check CHECK (
        NOT isempty(valid) AND NOT upper_inc(valid) AND (lower_inf(valid) OR lower_inc(valid))
    ),
    CONSTRAINT terminal_binding_one_at_a_time EXCLUDE USING gist (terminal_no WITH =, valid WITH &&)
);
COMMENT ON TABLE terminal_binding IS 'The vehicle each terminal was in, and when. A terminal is in one at a time; a vehicle may have several terminals.';
COMMENT ON COLUMN terminal_binding.binding_id IS 'Number of the binding.';
COMMENT ON COLUMN terminal_binding.terminal_no IS 'The terminal.';
COMMENT ON COLUMN terminal_binding.vehicle_id IS 'The vehicle that what it sent in this time is credited to.';
COMMENT ON COLUMN terminal_binding.valid IS 'From when (included; unbounded: ever) to when (excluded; unbounded: until further notice), by fix time.';
COMMENT ON COLUMN terminal_binding.revision IS 'Raised by each change of the row, from binding_revision.';
CREATE INDEX terminal_binding_vehicle ON terminal_binding (vehicle_id);
CREATE INDEX terminal_binding_revision ON terminal_binding (revision);

INSERT INTO terminal_binding (terminal_no, vehicle_id, valid)
SELECT terminal_no, vehicle_id, tstzrange(NULL, NULL) FROM terminal ORDER BY terminal_no;

ALTER TABLE terminal DROP COLUMN vehicle_id;
COMMENT ON TABLE terminal IS 'The box that speaks a protocol, by the number it sends; terminal_binding says which vehicle it was in and when.';
COMMENT ON COLUMN terminal.terminal_no IS 'The number it sends, as it was registered.';
COMMENT ON COLUMN terminal.protocol IS 'What it speaks: jt808, nmea or mqtt.';
COMMENT ON COLUMN terminal.datum IS 'Datum of its coordinates; NULL: that of its type, WGS-84 without one.';
COMMENT ON COLUMN terminal.auth_code IS 'The code it was given at its first registration (JT/T 808 0x8100); empty: it never registered.';
COMMENT ON COLUMN terminal.registered_at IS 'When it registered last; NULL: never.';
COMMENT ON COLUMN terminal.type IS 'Its type; NULL: none is known.';
COMMENT ON COLUMN terminal.terminal_key IS 'The number without leading zeros: editions of JT/T 808 pad it to different lengths.';

-- statement_timestamp: a binding that begins now holds for the next statement of its own transaction.
CREATE VIEW bound_terminal AS
SELECT t.terminal_no, t.terminal_key, t.protocol, t.datum, t.type, t.auth_code, t.registered_at, b.vehicle_id
FROM terminal t JOIN terminal_binding b USING (terminal_no)
WHERE b.valid @> statement_timestamp();
COMMENT ON VIEW bound_terminal IS 'The terminals that are in a vehicle now, with that vehicle.';
COMMENT ON COLUMN bound_terminal.terminal_no IS 'The number it sends, as it was registered.';
COMMENT ON COLUMN bound_terminal.terminal_key IS 'The number without leading zeros.';
COMMENT ON COLUMN bound_terminal.protocol IS 'What it speaks: jt808, nmea or mqtt.';
COMMENT ON COLUMN bound_terminal.datum IS 'Datum of its coordinates; NULL: that of its type, WGS-84 without one.';
COMMENT ON COLUMN bound_terminal.type IS 'Its type; NULL: none is known.';
COMMENT ON COLUMN bound_terminal.auth_code IS 'The code it was given at its first registration; empty: it never registered.';
COMMENT ON COLUMN bound_terminal.registered_at IS 'When it registered last; NULL: never.';
COMMENT ON COLUMN bound_terminal.vehicle_id IS 'The vehicle it is in now.';
