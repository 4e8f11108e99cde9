-- The rest of the register: fuel, drivers and cards, exemptions; orders that do not overlap; the texts of rules; cases; the
-- records of other supervision modules. And a sentence for every table and column that stood without one.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- ---------------------------------------------------------------- the fleet
ALTER TABLE vehicle ADD COLUMN fuel text NOT NULL DEFAULT 'petrol'
    CONSTRAINT vehicle_fuel CHECK (fuel IN ('petrol', 'diesel', 'electric', 'hybrid', 'lpg', 'cng'));
COMMENT ON COLUMN vehicle.fuel IS 'What it runs on: petrol, diesel, electric, hybrid, lpg (liquefied petroleum gas), cng (compressed natural gas). Litres are declared of what has litres.';

CREATE TABLE driver (
    driver_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code      text NOT NULL UNIQUE CHECK (code <> ''),
    name      text NOT NULL,
    unit_id   int NOT NULL REFERENCES unit
);
COMMENT ON TABLE driver IS 'A person who drives official cars.';
COMMENT ON COLUMN driver.driver_id IS 'Our number of the driver.';
COMMENT ON COLUMN driver.code IS 'The driver''s number in the city''s register.';
COMMENT ON COLUMN driver.name IS 'The driver''s name.';
COMMENT ON COLUMN driver.unit_id IS 'The unit that employs the driver.';
CREATE INDEX driver_unit ON driver (unit_id);

CREATE TABLE driver_card (
    card_no   text NOT NULL CHECK (card_no <> ''),
    driver_id int NOT NULL REFERENCES driver,
    valid     tstzrange NOT NULL CHECK (NOT isempty(valid) AND NOT upper_inc(valid) AND (lower_inc(valid) OR lower_inf(valid))),
    PRIMARY KEY (card_no, valid),
    CONSTRAINT driver_card_one_driver EXCLUDE USING gist (card_no WITH =, valid WITH &&)
);
COMMENT ON TABLE driver_card IS 'Whose a card is, and when: it has one driver at a time.';
COMMENT ON COLUMN driver_card.card_no IS 'Number of the card, as swipes (JT/T 808 0x0702) and dispatch orders give it.';
COMMENT ON COLUMN driver_card.driver_id IS 'Its driver.';
COMMENT ON COLUMN driver_card.valid IS 'From when, and before when; an end that is open holds until further notice.';
CREATE INDEX driver_card_driver ON driver_card (driver_id);

CREATE TABLE exemption (
    exemption_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id   int REFERENCES vehicle,
    unit_id      int REFERENCES unit,
    rule         text CHECK (rule <> ''),
    approved_by  text NOT NULL CHECK (approved_by <> ''),
    reason       text NOT NULL CHECK (reason <> ''),
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid) AND NOT upper_inc(valid) AND (lower_inc(valid) OR lower_inf(valid))),
    entered_at   timestamptz NOT NULL DEFAULT now(),
    entered_by   int REFERENCES app_user,
    CONSTRAINT exemption_of_one CHECK (num_nonnulls(vehicle_id, unit_id) = 1)
);
COMMENT ON TABLE exemption IS 'Leave from rules: of a vehicle, or of a unit and all below it; who approved it, why, from when to when. Append-only.';
COMMENT ON COLUMN exemption.exemption_id IS 'Our number of the exemption.';
COMMENT ON COLUMN exemption.vehicle_id IS 'The vehicle; NULL: it is of a unit.';
COMMENT ON COLUMN exemption.unit_id IS 'The unit at the head of the subtree; NULL: it is of a vehicle.';
COMMENT ON COLUMN exemption.rule IS 'Id of the rule; NULL: of all rules.';
COMMENT ON COLUMN exemption.approved_by IS 'Who approved it.';
COMMENT ON COLUMN exemption.reason IS 'Why.';
COMMENT ON COLUMN exemption.valid IS 'From when, and before when; an end that is open holds until further notice.';
COMMENT ON COLUMN exemption.entered_at IS 'When it was entered here.';
COMMENT ON COLUMN exemption.entered_by IS 'Who entered it; NULL: the command line.';
CREATE INDEX exemption_vehicle ON exemption (vehicle_id) WHERE vehicle_id IS NOT NULL;
CREATE INDEX exemption_unit ON exemption (unit_id) WHERE unit_id IS NOT NULL;
CREATE TRIGGER exemption_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exemption
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- orders of one vehicle
-- An order that meets an earlier one of its vehicle is marked, so that of any two that overlap at most one is not:
-- the constraint then holds whatever was there. Orders that begin together are taken by their ends and numbers.
ALTER TABLE dispatch_order ADD COLUMN overlapping boolean NOT NULL DEFAULT false;
UPDATE dispatch_order o SET overlapping = true
FROM (
    SELECT order_no, starts < max(ends) OVER (PARTITION BY vehicle_id ORDER BY starts, ends, order_no
                                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS meets
    FROM dispatch_order
) judged
WHERE judged.order_no = o.order_no AND judged.meets;
ALTER TABLE dispatch_order ADD CONSTRAINT dispatch_order_one_at_a_time
    EXCLUDE USING gist (vehicle_id WITH =, tstzrange(starts, ends) WITH &&) WHERE (NOT overlapping)
    DEFERRABLE;
COMMENT ON COLUMN dispatch_order.overlapping IS 'It meets an earlier order of its vehicle, and was taken by a release that did not refuse that; no order taken now is marked.';

-- ---------------------------------------------------------------- rules and what they found
CREATE TABLE rule_version (
    rule          text NOT NULL CHECK (rule <> ''),
    version       int NOT NULL,
    sha256        text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    text          text,
    first_used_at timestamptz NOT NULL DEFAULT now(),
    text_kept_at  timestamptz DEFAULT now(),
    PRIMARY KEY (rule, version),
    CONSTRAINT rule_version_whole CHECK (num_nulls(sha256, text, text_kept_at) IN (0, 3))
);
COMMENT ON TABLE rule_version IS 'The text of every version of a rule that an audit used. Append-only; only a text that no release before had kept is put in once.';
COMMENT ON COLUMN rule_version.rule IS 'Id of the rule.';
COMMENT ON COLUMN rule_version.version IS 'Version, as the text says.';
COMMENT ON COLUMN rule_version.sha256 IS 'SHA-256 of the text in UTF-8; NULL where the text is.';
COMMENT ON COLUMN rule_version.text IS 'The whole rule file; NULL: flags were raised by this version before texts were kept, and it was not used since.';
COMMENT ON COLUMN rule_version.first_used_at IS 'The first audit that used it, or the first flag raised by it before texts were kept.';
COMMENT ON COLUMN rule_version.text_kept_at IS 'Since when its text stands here; flags raised before that rest on a text nobody kept.';
INSERT INTO rule_version (rule, version, first_used_at, text_kept_at)
SELECT rule, rule_version, min(raised_at), NULL FROM flag GROUP BY rule, rule_version;
CREATE TRIGGER rule_version_append_only BEFORE DELETE OR TRUNCATE ON rule_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rule_version_unchanged BEFORE UPDATE ON rule_version
    FOR EACH ROW WHEN (OLD.text IS NOT NULL OR (OLD.rule, OLD.version, OLD.first_used_at)
                       IS DISTINCT FROM (NEW.rule, NEW.version, NEW.first_used_at))
    EXECUTE FUNCTION refuse_change();
ALTER TABLE flag ADD CONSTRAINT flag_rule_version FOREIGN KEY (rule, rule_version) REFERENCES rule_version;

CREATE VIEW unit_month AS
WITH RECURSIVE above AS (
    SELECT unit_id, unit_id AS head_id FROM unit
    UNION
    SELECT a.unit_id, u.parent_id FROM above a JOIN unit u ON u.unit_id = a.head_id WHERE u.parent_id IS NOT NULL
), vehicle_month AS (
    SELECT vehicle_id, date_trunc('month', day::timestamp)::date AS month, count(*) AS days, sum(trips) AS trips,
           sum(distance_m) AS distance_m, sum(off_hours_m) AS off_hours_m, sum(out_of_area_m) AS out_of_area_m,
           sqrt(sum(power(distance_m - distance_low_m, 2)) + power(0.001 * sum(distance_m), 2)) AS below_m,
           sqrt(sum(power(distance_high_m - distance_m, 2)) + power(0.001 * sum(distance_m), 2)) AS above_m
    FROM vehicle_day WHERE positions > doubtful GROUP BY vehicle_id, date_trunc('month', day::timestamp)::date
)
SELECT u.unit_id, u.code AS unit, m.month, count(*) AS vehicles, sum(m.days)::bigint AS vehicle_days,
       sum(m.trips)::bigint AS trips, sum(m.distance_m) AS distance_m,
       sum(m.distance_m) - sqrt(0.25 * sum(power(m.below_m, 2)) + 0.75 * power(sum(m.below_m), 2)) AS distance_low_m,
       sum(m.distance_m) + sqrt(0.25 * sum(power(m.above_m, 2)) + 0.75 * power(sum(m.above_m), 2)) AS distance_high_m,
       sum(m.off_hours_m) AS off_hours_m, sum(m.out_of_area_m) AS out_of_area_m
FROM vehicle_month m JOIN vehicle v USING (vehicle_id) JOIN above a USING (unit_id) JOIN unit u ON u.unit_id = a.head_id
GROUP BY u.unit_id, u.code, m.month;
COMMENT ON VIEW unit_month IS 'Months of each unit with everything below it, summed from vehicle-days on reading: what `gongche export unit-months` gives, without what is saved.';
COMMENT ON COLUMN unit_month.unit_id IS 'The unit.';
COMMENT ON COLUMN unit_month.unit IS 'Its code.';
COMMENT ON COLUMN unit_month.month IS 'First local day of the month.';
COMMENT ON COLUMN unit_month.vehicles IS 'Vehicles with a usable position in the month, by the unit they belong to now.';
COMMENT ON COLUMN unit_month.vehicle_days IS 'Days of these vehicles with a usable position; what a silent vehicle did is not known, and not counted.';
COMMENT ON COLUMN unit_month.trips IS 'Trips on these days.';
COMMENT ON COLUMN unit_month.distance_m IS 'Metres, the best estimate.';
COMMENT ON COLUMN unit_month.distance_low_m IS 'Lower end of the interval: errors of days in squares, with what a vehicle''s days and a unit''s vehicles err alike (analytics.months: COMMON_SHARE, SHARED_ERROR).';
COMMENT ON COLUMN unit_month.distance_high_m IS 'Upper end of the interval.';
COMMENT ON COLUMN unit_month.off_hours_m IS 'Metres of it outside the duty calendar.';
COMMENT ON COLUMN unit_month.out_of_area_m IS 'Metres of it outside the permitted area.';

-- ---------------------------------------------------------------- cases
CREATE TABLE case_file (
    case_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id  int NOT NULL REFERENCES vehicle,
    state       text NOT NULL DEFAULT 'flagged' CONSTRAINT case_file_state CHECK (state IN ('flagged', 'assigned',
                    'explanation_asked', 'explained', 'confirmed', 'dismissed', 'dealt_with', 'rectified', 'appealed',
                    'reopened', 'closed')),
    open        boolean NOT NULL GENERATED ALWAYS AS (state <> 'closed') STORED,
    assigned_to int REFERENCES app_user,
    deadline    timestamptz,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    opened_by   int REFERENCES app_user,
    UNIQUE (case_id, open),
    CONSTRAINT case_file_somebodys CHECK (state IN ('flagged', 'closed') OR assigned_to IS NOT NULL)
);
COMMENT ON TABLE case_file IS 'What an inspector opens, decides and closes over flags of one vehicle. How it came to its state is in case_event.';
COMMENT ON COLUMN case_file.case_id IS 'Our number of the case.';
COMMENT ON COLUMN case_file.vehicle_id IS 'The vehicle it is about.';
COMMENT ON COLUMN case_file.state IS 'flagged → assigned → explanation_asked → explained → confirmed or dismissed → dealt_with → rectified → closed; appealed and reopened lead back.';
COMMENT ON COLUMN case_file.open IS 'Whether it is not closed.';
COMMENT ON COLUMN case_file.assigned_to IS 'The inspector who works on it; NULL: nobody yet.';
COMMENT ON COLUMN case_file.deadline IS 'When the next step is due; NULL: none is.';
COMMENT ON COLUMN case_file.opened_at IS 'When it was opened.';
COMMENT ON COLUMN case_file.opened_by IS 'Who opened it; NULL: an audit.';
CREATE INDEX case_file_vehicle ON case_file (vehicle_id);
CREATE INDEX case_file_assigned ON case_file (assigned_to) WHERE open;

-- The copy of `open` follows the case by the foreign key, so that the index can say: one open case for a flag.
CREATE TABLE case_flag (
    case_id  int NOT NULL,
    flag_id  text NOT NULL REFERENCES flag,
    open     boolean NOT NULL DEFAULT true,
    added_at timestamptz NOT NULL DEFAULT now(),
    added_by int REFERENCES app_user,
    PRIMARY KEY (case_id, flag_id),
    FOREIGN KEY (case_id, open) REFERENCES case_file (case_id, open) ON UPDATE CASCADE
);
CREATE UNIQUE INDEX case_flag_one_open_case ON case_flag (flag_id) WHERE open;
CREATE INDEX case_flag_flag ON case_flag (flag_id);
COMMENT ON TABLE case_flag IS 'The flags of a case; a flag is in one open case at most.';
COMMENT ON COLUMN case_flag.case_id IS 'The case.';
COMMENT ON COLUMN case_flag.flag_id IS 'The flag.';
COMMENT ON COLUMN case_flag.open IS 'Whether the case is open; follows the case by itself.';
COMMENT ON COLUMN case_flag.added_at IS 'When it came to the case.';
COMMENT ON COLUMN case_flag.added_by IS 'Who added it; NULL: an audit.';

CREATE TABLE case_event (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    int NOT NULL REFERENCES case_file,
    at         timestamptz NOT NULL DEFAULT now(),
    user_id    int REFERENCES app_user,
    from_state text CONSTRAINT case_event_from_state CHECK (from_state IN ('flagged', 'assigned', 'explanation_asked',
                   'explained', 'confirmed', 'dismissed', 'dealt_with', 'rectified', 'appealed', 'reopened', 'closed')),
    to_state   text NOT NULL CONSTRAINT case_event_to_state CHECK (to_state IN ('flagged', 'assigned',
                   'explanation_asked', 'explained', 'confirmed', 'dismissed', 'dealt_with', 'rectified', 'appealed',
                   'reopened', 'closed')),
    reason     text NOT NULL DEFAULT '',
    deadline   timestamptz,
    facts      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(facts) = 'object'),
    CONSTRAINT case_event_reasoned CHECK (to_state NOT IN ('confirmed', 'dismissed', 'appealed', 'reopened') OR from_state = to_state OR reason <> '')
);
COMMENT ON TABLE case_event IS 'Each step of a case: who, when, from which state to which, why. Append-only.';
COMMENT ON COLUMN case_event.event_id IS 'Our number of the step.';
COMMENT ON COLUMN case_event.case_id IS 'The case.';
COMMENT ON COLUMN case_event.at IS 'When.';
COMMENT ON COLUMN case_event.user_id IS 'Who; NULL: the system, as when a deadline passes.';
COMMENT ON COLUMN case_event.from_state IS 'State before, as in case_file; NULL: the case is opened.';
COMMENT ON COLUMN case_event.to_state IS 'State after; the same as before for a comment.';
COMMENT ON COLUMN case_event.reason IS 'Why, in words; never empty for a decision, an appeal or a re-opening.';
COMMENT ON COLUMN case_event.deadline IS 'When the next step is due from then on; NULL: none is.';
COMMENT ON COLUMN case_event.facts IS 'What else the step says, by name: persons, measure, money recovered in yuan.';
CREATE INDEX case_event_case ON case_event (case_id, at);
CREATE TRIGGER case_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE evidence (
    evidence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id     int NOT NULL REFERENCES case_file,
    kind        text NOT NULL CONSTRAINT evidence_kind CHECK (kind IN ('attachment', 'bundle')),
    name        text NOT NULL CHECK (name <> ''),
    media_type  text NOT NULL CHECK (media_type <> ''),
    bytes       bigint NOT NULL CHECK (bytes >= 0),
    sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    path        text NOT NULL CHECK (path <> ''),
    added_at    timestamptz NOT NULL DEFAULT now(),
    added_by    int REFERENCES app_user
);
COMMENT ON TABLE evidence IS 'Files of a case, each with its hash. Append-only.';
COMMENT ON COLUMN evidence.evidence_id IS 'Our number of the file.';
COMMENT ON COLUMN evidence.case_id IS 'The case.';
COMMENT ON COLUMN evidence.kind IS 'attachment: somebody added it; bundle: the evidence of the case as it was given out.';
COMMENT ON COLUMN evidence.name IS 'Name of the file, as shown.';
COMMENT ON COLUMN evidence.media_type IS 'Media type, as checked.';
COMMENT ON COLUMN evidence.bytes IS 'Size, bytes.';
COMMENT ON COLUMN evidence.sha256 IS 'SHA-256 of the file.';
COMMENT ON COLUMN evidence.path IS 'Where it lies below the folder of files.';
COMMENT ON COLUMN evidence.added_at IS 'When it was added.';
COMMENT ON COLUMN evidence.added_by IS 'Who added it; NULL: the command line.';
CREATE INDEX evidence_case ON evidence (case_id);
CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- other supervision modules
CREATE TABLE module_record (
    record_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    module         text NOT NULL CONSTRAINT module_record_module CHECK (module ~ '^[a-z0-9]+([_-][a-z0-9]+)*$'),
    schema_version int NOT NULL CHECK (schema_version > 0),
    record_key     text NOT NULL CHECK (record_key <> ''),
    revision       int NOT NULL DEFAULT 1 CHECK (revision > 0),
    data           jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    sha256         text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    received_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (module, record_key, revision)
);
COMMENT ON TABLE module_record IS 'A record of another supervision module, by its record standard. Append-only: a record that is sent again with other content is its next revision.';
COMMENT ON COLUMN module_record.record_id IS 'Our number of the record.';
COMMENT ON COLUMN module_record.module IS 'Id of the module.';
COMMENT ON COLUMN module_record.schema_version IS 'Version of the module''s record standard that it follows.';
COMMENT ON COLUMN module_record.record_key IS 'The module''s own key of it.';
COMMENT ON COLUMN module_record.revision IS '1, 2, … of the same key; the highest holds.';
COMMENT ON COLUMN module_record.data IS 'Its columns by name.';
COMMENT ON COLUMN module_record.sha256 IS 'SHA-256 of the record as it was sent.';
COMMENT ON COLUMN module_record.received_at IS 'When it came.';
CREATE TRIGGER module_record_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON module_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE module_finding (
    finding_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id    bigint NOT NULL REFERENCES module_record,
    rule         text NOT NULL,
    rule_version int NOT NULL,
    level        text NOT NULL CONSTRAINT module_finding_level CHECK (level IN ('prompt', 'yellow', 'red')),
    numbers      jsonb NOT NULL DEFAULT '[]',
    found_at     timestamptz NOT NULL DEFAULT now(),
    deadline     timestamptz,
    withdrawn_at timestamptz,
    UNIQUE (record_id, rule),
    FOREIGN KEY (rule, rule_version) REFERENCES rule_version
);
COMMENT ON TABLE module_finding IS 'What a rule found in a record of a module. Withdrawn, not deleted, when its ground is gone.';
COMMENT ON COLUMN module_finding.finding_id IS 'Our number of the finding.';
COMMENT ON COLUMN module_finding.record_id IS 'The record.';
COMMENT ON COLUMN module_finding.rule IS 'Id of the rule.';
COMMENT ON COLUMN module_finding.rule_version IS 'Version of the rule that found it.';
COMMENT ON COLUMN module_finding.level IS 'prompt, or yellow or red card.';
COMMENT ON COLUMN module_finding.numbers IS 'Each number compared, beside its threshold.';
COMMENT ON COLUMN module_finding.found_at IS 'When it was found first.';
COMMENT ON COLUMN module_finding.deadline IS 'Until when it is to be answered; NULL: no limit.';
COMMENT ON COLUMN module_finding.withdrawn_at IS 'When its ground was gone; NULL: it stands.';

-- ---------------------------------------------------------------- what stood without a sentence
-- Where a column is told of already, or is no more, that stands.
DO $$
DECLARE
    said record;
BEGIN
    FOR said IN
        SELECT a.attrelid::regclass AS relation, a.attname AS name, c.said
        FROM (VALUES
            ('access_log', 'entry_id', 'Our number of the entry.'),
            ('access_log', 'at', 'When.'),
            ('access_log', 'user_id', 'Who.'),
            ('access_log', 'action', 'What was done, in a word.'),
            ('access_log', 'subject', 'What it was done to: a vehicle, a trip.'),
            ('app_user', 'user_id', 'Our number of the person.'),
            ('app_user', 'name', 'Name to sign in with.'),
            ('app_user', 'role', 'manager: of one unit; inspector; auditor: reads everything, changes nothing; admin.'),
            ('app_user', 'unit_id', 'The unit at the head of the subtree a manager sees; NULL: everything.'),
            ('app_user', 'password_hash', 'Argon2 hash of the password.'),
            ('app_user', 'created_at', 'When the person was entered.'),
            ('archive_head', 'only_one', 'Always true: the table has one row.'),
            ('archive_head', 'sequence', 'Number of the newest manifest.'),
            ('archive_head', 'sha256', 'SHA-256 of the newest manifest.'),
            ('dispatch_order', 'order_no', 'Number of the order.'),
            ('dispatch_order', 'vehicle_id', 'The vehicle it permits to use.'),
            ('dispatch_order', 'starts', 'From when.'),
            ('dispatch_order', 'ends', 'Before when.'),
            ('dispatch_order', 'driver_card', 'Card of the driver; empty: not named.'),
            ('dispatch_order', 'purpose', 'Why the vehicle is used.'),
            ('dispatch_order', 'destination', 'Where to, in words.'),
            ('dispatch_order', 'destination_lat', 'Where to, WGS-84 degrees; NULL: not given.'),
            ('dispatch_order', 'destination_lon', 'Where to, WGS-84 degrees; NULL: not given.'),
            ('dispatch_order', 'approved_by', 'Who approved it.'),
            ('driver_swipe', 'vehicle_id', 'The vehicle with the reader.'),
            ('driver_swipe', 'swiped_at', 'When.'),
            ('driver_swipe', 'driver_card', 'Number of the card.'),
            ('driver_swipe', 'inserted', 'Put in, or taken out.'),
            ('duty_calendar', 'code', 'Short name, as units give it.'),
            ('duty_calendar', 'name', 'Its name in words.'),
            ('duty_day', 'calendar', 'The calendar.'),
            ('duty_day', 'day', 'Local day.'),
            ('duty_day', 'kind', 'workday, adjusted_workday (a weekend worked in exchange), weekend, holiday.'),
            ('duty_day', 'name', 'Name of a holiday.'),
            ('duty_shift', 'calendar', 'The calendar.'),
            ('duty_shift', 'day', 'Local day on which the shift begins.'),
            ('duty_shift', 'starts', 'Duty from here on.'),
            ('duty_shift', 'ends', 'Duty before this instant.'),
            ('flag', 'flag_id', 'Rule, and trip or silence.'),
            ('flag', 'rule', 'Id of the rule.'),
            ('flag', 'rule_version', 'Version of the rule that found it last.'),
            ('flag', 'level', 'prompt, or yellow or red card.'),
            ('flag', 'vehicle_id', 'The vehicle.'),
            ('flag', 'day', 'Local day on which the trip or silence began.'),
            ('flag', 'start_time', 'Beginning of the trip or silence.'),
            ('flag', 'end_time', 'End of the trip or silence.'),
            ('flag', 'points', 'Weight of the rule, for ranking.'),
            ('flag', 'reason_zh', 'Why, with its numbers, in Chinese.'),
            ('flag', 'reason_en', 'Why, with its numbers, in English.'),
            ('flag', 'numbers', 'Each number compared: feature, value, operator, threshold, unit, margin.'),
            ('flag', 'raised_at', 'When it was found first.'),
            ('flag', 'withdrawn_at', 'When its ground was gone; NULL: it stands.'),
            ('intake_count', 'hour', 'Hour of receipt.'),
            ('intake_count', 'source', 'Where it came from: jt808, nmea, mqtt, import.'),
            ('intake_count', 'received', 'Reports that came.'),
            ('intake_count', 'accepted', 'Of them: new positions.'),
            ('intake_count', 'duplicate', 'Of them: positions that were there already.'),
            ('intake_count', 'quarantined', 'Of them: refused, with their bytes and the reason.'),
            ('latest', 'vehicle_id', 'The vehicle.'),
            ('latest', 'fix_time', 'Time of the satellite fix.'),
            ('latest', 'lat_e7', 'WGS-84 degrees × 10⁷.'),
            ('latest', 'lon_e7', 'WGS-84 degrees × 10⁷.'),
            ('latest', 'speed_mps', 'Metres a second; NaN: not sent.'),
            ('latest', 'course_deg', 'Degrees from north, clockwise; NaN: not sent.'),
            ('latest', 'status', 'Bits as in table position.'),
            ('latest', 'received_at', 'When it came.'),
            ('open_day', 'vehicle_id', 'The vehicle.'),
            ('open_day', 'day', 'Local day.'),
            ('open_day', 'revision', 'Raised by each write; sealing takes the mark away only where it is still the one it read.'),
            ('position', 'vehicle_id', 'The vehicle.'),
            ('position', 'fix_time', 'Time of the satellite fix, as sent.'),
            ('position', 'lat_e7', 'WGS-84 degrees × 10⁷: whole numbers, so that steps are exact and hashes stable.'),
            ('position', 'lon_e7', 'WGS-84 degrees × 10⁷.'),
            ('position', 'speed_mps', 'Metres a second, as sent; NaN: not sent.'),
            ('position', 'course_deg', 'Degrees from north, clockwise, as sent; NaN: not sent.'),
            ('position', 'odometer_m', 'The terminal''s own counter, metres; −1: not sent.'),
            ('position', 'fuel_l', 'Litres in the tank, as sent; NaN: not sent.'),
            ('position', 'altitude_m', 'Metres above the sea; −32768: not sent.'),
            ('position', 'satellites', 'Satellites of the fix; −1: not sent.'),
            ('position', 'status', 'What the terminal said, by bit: 0 fix valid, 1 ignition on, 2 ignition known, 3 BeiDou, 4 GPS, 5 power cut, 6 antenna fault, 7 late.'),
            ('position', 'received_at', 'When it came.'),
            ('position_note', 'vehicle_id', 'The vehicle.'),
            ('position_note', 'fix_time', 'Fix time of the position.'),
            ('position_note', 'variant', 'Which of several positions at that time.'),
            ('position_note', 'note', 'What was sent, by name; coordinates as sent in the datum they were sent in.'),
            ('quarantine', 'quarantine_id', 'Our number of it.'),
            ('quarantine', 'received_at', 'When it came.'),
            ('quarantine', 'source', 'Where it came from: jt808, nmea, mqtt, import.'),
            ('quarantine', 'place', 'File and line, or peer address.'),
            ('quarantine', 'reason', 'What was expected and what was there.'),
            ('quarantine', 'raw', 'The bytes as they came.'),
            ('schema_migration', 'number', 'Number of the migration.'),
            ('schema_migration', 'name', 'Name of its file.'),
            ('schema_migration', 'sha256', 'SHA-256 of its file.'),
            ('schema_migration', 'applied_at', 'When it was applied.'),
            ('sealed_part', 'day', 'Local day.'),
            ('sealed_part', 'bucket', 'Vehicle bucket: vehicle_id / 512.'),
            ('sealed_part', 'version', '1, 2, … as late positions came; the newest holds.'),
            ('sealed_part', 'sequence', 'Number of the manifest that names it.'),
            ('sealed_part', 'rows', 'Positions in it.'),
            ('sealed_part', 'path', 'File below the archive.'),
            ('stop', 'vehicle_id', 'The vehicle.'),
            ('stop', 'day', 'Local day.'),
            ('stop', 'start_time', 'Beginning.'),
            ('stop', 'end_time', 'End.'),
            ('stop', 'lat', 'Where it stood, or was last seen; WGS-84 degrees.'),
            ('stop', 'lon', 'Where it stood, or was last seen; WGS-84 degrees.'),
            ('stop', 'kind', 'stop, or gap: a silence.'),
            ('stop', 'place', 'Name of the zone there; empty: none.'),
            ('terminal', 'terminal_no', 'The number it sends.'),
            ('terminal', 'vehicle_id', 'The vehicle it is bound to.'),
            ('terminal', 'protocol', 'What it speaks: jt808, nmea, mqtt.'),
            ('terminal', 'auth_code', 'Code it was given at registration and shows when it calls; empty: none yet.'),
            ('terminal', 'registered_at', 'When it registered last (JT/T 808 0x0100); NULL: never.'),
            ('terminal_command', 'command_id', 'Our number of the command.'),
            ('terminal_command', 'terminal_key', 'The terminal, by its number without leading zeros.'),
            ('terminal_command', 'kind', 'What is asked.'),
            ('terminal_command', 'arguments', 'With what, by name.'),
            ('terminal_command', 'asked_at', 'When it was asked for.'),
            ('terminal_command', 'expires_at', 'Until when it may be sent or answered.'),
            ('terminal_command', 'sent_at', 'When it was sent; NULL: it was not.'),
            ('terminal_command', 'answered_at', 'When the answer came, or it failed; NULL: neither.'),
            ('terminal_count', 'day', 'Local day of receipt.'),
            ('terminal_count', 'terminal_key', 'The terminal, by its number without leading zeros.'),
            ('terminal_count', 'received', 'Reports that came.'),
            ('terminal_count', 'accepted', 'Of them: new positions.'),
            ('terminal_count', 'duplicate', 'Of them: positions that were there already.'),
            ('terminal_count', 'quarantined', 'Of them: refused.'),
            ('terminal_event', 'event_id', 'Our number of the event.'),
            ('terminal_event', 'terminal_key', 'The terminal, by its number without leading zeros.'),
            ('terminal_event', 'at', 'When.'),
            ('terminal_event', 'source', 'Protocol: jt808, nmea, mqtt.'),
            ('terminal_event', 'place', 'Peer address or topic.'),
            ('terminal_media', 'media_row', 'Our number of it.'),
            ('terminal_media', 'terminal_key', 'The terminal, by its number without leading zeros.'),
            ('terminal_media', 'at', 'When it was complete here.'),
            ('terminal_media', 'bytes', 'Size, bytes.'),
            ('terminal_media', 'sha256', 'SHA-256 of what was sent.'),
            ('trip', 'trip_id', 'Vehicle and local time of its start.'),
            ('trip', 'vehicle_id', 'The vehicle.'),
            ('trip', 'day', 'Local day on which it began.'),
            ('trip', 'start_time', 'Beginning.'),
            ('trip', 'end_time', 'End.'),
            ('trip', 'start_lat', 'Where it began, WGS-84 degrees.'),
            ('trip', 'start_lon', 'Where it began, WGS-84 degrees.'),
            ('trip', 'end_lat', 'Where it ended, WGS-84 degrees.'),
            ('trip', 'end_lon', 'Where it ended, WGS-84 degrees.'),
            ('trip', 'distance_low_m', 'Lower end of its interval.'),
            ('trip', 'distance_high_m', 'Upper end of its interval.'),
            ('trip', 'duration_s', 'Seconds from beginning to end.'),
            ('trip', 'moving_s', 'Seconds of it in motion.'),
            ('trip', 'max_speed_mps', 'Highest speed, metres a second; NULL: none was sent.'),
            ('trip', 'off_hours_s', 'Seconds outside the duty calendar.'),
            ('trip', 'off_hours_m', 'Metres outside the duty calendar.'),
            ('trip', 'out_of_area_s', 'Seconds outside the permitted area.'),
            ('trip', 'out_of_area_m', 'Metres outside the permitted area.'),
            ('trip', 'dispatch_order', 'Number of the order that covers it; NULL: none does.'),
            ('trip', 'origin_place', 'Name of the zone it began in; empty: none.'),
            ('trip', 'destination_place', 'Name of the zone it ended in; empty: none.'),
            ('trip', 'private_score', 'Evidence of private use, 0 to 100 points.'),
            ('unit', 'unit_id', 'Our number of the unit.'),
            ('unit', 'code', 'Its number in the city''s register.'),
            ('unit', 'name_zh', 'Chinese name.'),
            ('unit', 'name_en', 'English name; empty: none.'),
            ('unit', 'parent_id', 'The unit above; NULL: the top.'),
            ('unit', 'area_zone_id', 'Zone its vehicles may use; NULL: everywhere.'),
            ('unit', 'duty_calendar', 'Calendar of its vehicles, unless their class has one; NULL: none.'),
            ('vehicle', 'vehicle_id', 'Our number of the vehicle.'),
            ('vehicle', 'code', 'Its number in the city''s register.'),
            ('vehicle', 'plate', 'Its number plate.'),
            ('vehicle', 'unit_id', 'The unit it belongs to.'),
            ('vehicle', 'class', 'ordinary, confidential (mail and communication), emergency, law_enforcement, special_technical.'),
            ('vehicle', 'model', 'Make and model.'),
            ('vehicle', 'base_zone_id', 'Zone it is to stand in at night; NULL: none is declared.'),
            ('vehicle', 'area_zone_id', 'Zone it may use; NULL: that of its unit.'),
            ('vehicle', 'consumption_l_100km', 'Litres per 100 km, as declared; NULL: not declared.'),
            ('vehicle', 'tank_l', 'What the tank holds, litres; NULL: not declared.'),
            ('vehicle', 'baseline_km_month', 'Kilometres a month before supervision; NULL: not declared.'),
            ('vehicle', 'baseline_source', 'Where the baseline comes from.'),
            ('vehicle_day', 'vehicle_id', 'The vehicle.'),
            ('vehicle_day', 'day', 'Local day.'),
            ('vehicle_day', 'positions', 'Positions of the day.'),
            ('vehicle_day', 'doubtful', 'Of them: not used, because of a doubt.'),
            ('vehicle_day', 'trips', 'Trips that began on it.'),
            ('vehicle_day', 'distance_low_m', 'Lower end of the interval.'),
            ('vehicle_day', 'distance_high_m', 'Upper end of the interval.'),
            ('vehicle_day', 'moving_s', 'Seconds in motion.'),
            ('vehicle_day', 'off_hours_m', 'Metres outside the duty calendar.'),
            ('vehicle_day', 'out_of_area_m', 'Metres outside the permitted area.'),
            ('web_session', 'token_sha256', 'SHA-256 of the token in the cookie.'),
            ('web_session', 'user_id', 'Who signed in.'),
            ('web_session', 'created_at', 'When.'),
            ('web_session', 'expires_at', 'When it ends.'),
            ('zone', 'zone_id', 'Our number of the zone.'),
            ('zone', 'code', 'Short name, as units and vehicles give it.'),
            ('zone', 'name_zh', 'Chinese name.'),
            ('zone', 'name_en', 'English name; empty: none.')
        ) AS c (relation, name, said)
        JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(c.relation)) AND a.attname = c.name
        WHERE a.attnum > 0 AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', said.relation, said.name, said.said);
    END LOOP;
    IF obj_description('schema_migration'::regclass) IS NULL THEN
        COMMENT ON TABLE schema_migration IS 'The migrations that this database has seen.';
    END IF;
END $$;
COMMENT ON FUNCTION refuse_change IS 'Trigger of append-only tables: raises an error.';
