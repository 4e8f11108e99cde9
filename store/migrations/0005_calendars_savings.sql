-- Duty calendars by class of vehicle, what a vehicle's consumption rests on, and the price of fuel.

CREATE TABLE class_calendar (
    unit_id  int NOT NULL REFERENCES unit,
    class    text NOT NULL CHECK (class IN ('ordinary', 'confidential', 'emergency', 'law_enforcement',
                 'special_technical')),
    calendar text REFERENCES duty_calendar,
    PRIMARY KEY (unit_id, class)
);
COMMENT ON TABLE class_calendar IS 'The duty calendar of one class of vehicles in a unit and all units below it, in place of the units'' own; the nearest unit upwards counts.';
COMMENT ON COLUMN class_calendar.unit_id IS 'The unit at the head of the subtree.';
COMMENT ON COLUMN class_calendar.class IS 'Class of vehicle, as in table vehicle.';
COMMENT ON COLUMN class_calendar.calendar IS 'The calendar; NULL: none, so nothing is off-hours for these vehicles.';

CREATE VIEW vehicle_calendar AS
WITH RECURSIVE above AS (
    SELECT unit_id, unit_id AS head_id, 0 AS steps FROM unit
    UNION ALL
    SELECT a.unit_id, u.parent_id, a.steps + 1 FROM above a JOIN unit u ON u.unit_id = a.head_id
    WHERE u.parent_id IS NOT NULL AND a.steps < 32
), nearest AS (
    SELECT DISTINCT ON (a.unit_id, c.class) a.unit_id, c.class, c.calendar
    FROM above a JOIN class_calendar c ON c.unit_id = a.head_id ORDER BY a.unit_id, c.class, a.steps
)
SELECT v.vehicle_id, CASE WHEN n.unit_id IS NULL THEN u.duty_calendar ELSE n.calendar END AS calendar
FROM vehicle v JOIN unit u USING (unit_id) LEFT JOIN nearest n ON n.unit_id = v.unit_id AND n.class = v.class;
COMMENT ON VIEW vehicle_calendar IS 'The duty calendar that applies to each vehicle: of its class, set at its unit or the nearest one above, else its unit''s. 32 levels end a circle of parents.';
COMMENT ON COLUMN vehicle_calendar.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN vehicle_calendar.calendar IS 'Code of its calendar; NULL: none.';

ALTER TABLE vehicle ADD COLUMN consumption_source text NOT NULL DEFAULT '';
COMMENT ON COLUMN vehicle.consumption_source IS 'Where consumption_l_100km comes from: type approval, refuelling ledger, measurement.';

CREATE TABLE fuel_price (
    valid_from date PRIMARY KEY,
    valid_to   date,
    yuan_per_l double precision NOT NULL CHECK (yuan_per_l > 0 AND yuan_per_l < 1000),
    source     text NOT NULL CHECK (source <> ''),
    CHECK (valid_to IS NULL OR valid_from <= valid_to),
    CONSTRAINT fuel_price_one_a_day EXCLUDE USING gist (daterange(valid_from, valid_to, '[]') WITH &&)
);
COMMENT ON TABLE fuel_price IS 'What a litre of fuel cost, by local days; a day without a row has no price and no saving in yuan.';
COMMENT ON COLUMN fuel_price.valid_from IS 'First local day.';
COMMENT ON COLUMN fuel_price.valid_to IS 'Last local day; NULL: until further notice.';
COMMENT ON COLUMN fuel_price.yuan_per_l IS 'Yuan a litre.';
COMMENT ON COLUMN fuel_price.source IS 'Who published it, and where.';
