-- The spine: who drives what where and when it may, what terminals sent, what was derived, who looked.
-- Derived tables (trip, stop, vehicle_day, flag) can always be rebuilt from the sealed archive.

-- ---------------------------------------------------------------- the fleet
CREATE TABLE zone (
    zone_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE,
    kind        text NOT NULL CHECK (kind IN ('district', 'city', 'province', 'base', 'golf_course', 'entertainment',
                    'bath_house', 'hotel', 'school', 'restaurant', 'residential', 'work_site')),
    name_zh     text NOT NULL,
    name_en     text NOT NULL DEFAULT '',
    geometry    jsonb NOT NULL,
    valid_from  timestamptz,
    valid_to    timestamptz,
    CHECK (valid_from IS NULL OR valid_to IS NULL OR valid_from < valid_to)
);
COMMENT ON TABLE zone IS 'A named area: GeoJSON geometry in WGS-84, its kind and when it holds.';

CREATE TABLE duty_calendar (
    code text PRIMARY KEY,
    name text NOT NULL DEFAULT ''
);
COMMENT ON TABLE duty_calendar IS 'A named plan of duty hours; units point to it.';

CREATE TABLE duty_day (
    calendar text NOT NULL REFERENCES duty_calendar,
    day      date NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('workday', 'adjusted_workday', 'weekend', 'holiday')),
    name     text NOT NULL DEFAULT '',
    PRIMARY KEY (calendar, day)
);
COMMENT ON TABLE duty_day IS 'What kind of day each date is; a date without a row is an error to the administrator, never a guess.';

CREATE TABLE duty_shift (
    calendar text NOT NULL,
    day      date NOT NULL,
    starts   timestamptz NOT NULL,
    ends     timestamptz NOT NULL,
    PRIMARY KEY (calendar, day, starts),
    FOREIGN KEY (calendar, day) REFERENCES duty_day ON DELETE CASCADE,
    CHECK (starts < ends)
);
COMMENT ON TABLE duty_shift IS 'Duty hours that begin on a day; a shift may end on the next.';

CREATE TABLE unit (
    unit_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code          text NOT NULL UNIQUE,
    name_zh       text NOT NULL,
    name_en       text NOT NULL DEFAULT '',
    parent_id     int REFERENCES unit,
    area_zone_id  int REFERENCES zone,
    duty_calendar text REFERENCES duty_calendar
);
COMMENT ON TABLE unit IS 'An organisation in the city''s tree; its vehicles'' permitted area and duty calendar.';

CREATE TABLE vehicle (
    vehicle_id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code               text NOT NULL UNIQUE,
    plate              text NOT NULL UNIQUE,
    unit_id            int NOT NULL REFERENCES unit,
    class              text NOT NULL DEFAULT 'ordinary' CHECK (class IN ('ordinary', 'confidential', 'emergency',
                           'law_enforcement', 'special_technical')),
    model              text NOT NULL DEFAULT '',
    base_zone_id       int REFERENCES zone,
    area_zone_id       int REFERENCES zone,
    consumption_l_100km real,
    tank_l             real,
    baseline_km_month  real,
    baseline_source    text NOT NULL DEFAULT ''
);
COMMENT ON TABLE vehicle IS 'A registered official car. area_zone_id overrides the unit''s permitted area.';
CREATE INDEX vehicle_unit ON vehicle (unit_id);

CREATE TABLE terminal (
    terminal_no text PRIMARY KEY,
    vehicle_id  int NOT NULL REFERENCES vehicle,
    protocol    text NOT NULL CHECK (protocol IN ('jt808', 'nmea', 'mqtt')),
    datum       text NOT NULL DEFAULT 'wgs84' CHECK (datum IN ('wgs84', 'gcj02', 'bd09')),
    auth_code   text NOT NULL DEFAULT '',
    registered_at timestamptz
);
COMMENT ON TABLE terminal IS 'The box that speaks a protocol, by the number it sends, bound to a vehicle.';
CREATE INDEX terminal_vehicle ON terminal (vehicle_id);

CREATE TABLE dispatch_order (
    order_no       text PRIMARY KEY,
    vehicle_id     int NOT NULL REFERENCES vehicle,
    starts         timestamptz NOT NULL,
    ends           timestamptz NOT NULL,
    driver_card    text NOT NULL DEFAULT '',
    purpose        text NOT NULL DEFAULT '',
    destination    text NOT NULL DEFAULT '',
    destination_lat double precision,
    destination_lon double precision,
    approved_by    text NOT NULL DEFAULT '',
    CHECK (starts < ends)
);
COMMENT ON TABLE dispatch_order IS 'Permission to use a vehicle: who, from–to, where, why.';
CREATE INDEX dispatch_order_vehicle ON dispatch_order (vehicle_id, starts);

CREATE TABLE driver_swipe (
    vehicle_id  int NOT NULL REFERENCES vehicle,
    swiped_at   timestamptz NOT NULL,
    driver_card text NOT NULL,
    inserted    boolean NOT NULL,
    PRIMARY KEY (vehicle_id, swiped_at, driver_card, inserted)
);
COMMENT ON TABLE driver_swipe IS 'A driver''s card put in or taken out (JT/T 808 0x0702).';

-- ---------------------------------------------------------------- what terminals sent
CREATE TABLE position (
    vehicle_id  int NOT NULL,
    fix_time    timestamptz NOT NULL,
    variant     smallint NOT NULL DEFAULT 0,
    lat_e7      int NOT NULL,
    lon_e7      int NOT NULL,
    speed_mps   real NOT NULL,
    course_deg  real NOT NULL,
    odometer_m  bigint NOT NULL,
    fuel_l      real NOT NULL,
    altitude_m  smallint NOT NULL,
    satellites  smallint NOT NULL,
    status      int NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, fix_time, variant)
) PARTITION BY RANGE (fix_time);
COMMENT ON TABLE position IS 'One reported place of a vehicle, as sent (converted to WGS-84). Never updated. No foreign key: vehicles are never deleted and the check would halve the intake.';
COMMENT ON COLUMN position.variant IS '0, or 1, 2, … for a position with the fix time of another of the same vehicle but other content: both are kept.';
CREATE TABLE position_other PARTITION OF position DEFAULT;

CREATE TABLE position_note (
    vehicle_id int NOT NULL,
    fix_time   timestamptz NOT NULL,
    variant    smallint NOT NULL DEFAULT 0,
    note       jsonb NOT NULL,
    PRIMARY KEY (vehicle_id, fix_time, variant)
);
COMMENT ON TABLE position_note IS 'What a position carried beyond the columns: alarms, vendor items, unknown CSV columns, coordinates as sent in another datum.';

CREATE TABLE latest (
    vehicle_id  int PRIMARY KEY REFERENCES vehicle,
    fix_time    timestamptz NOT NULL,
    lat_e7      int NOT NULL,
    lon_e7      int NOT NULL,
    speed_mps   real NOT NULL,
    course_deg  real NOT NULL,
    status      int NOT NULL,
    received_at timestamptz NOT NULL
);
COMMENT ON TABLE latest IS 'The newest valid position of each vehicle; a position with a clock fault never stands here.';
CREATE INDEX latest_received ON latest (received_at);

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL,
    source        text NOT NULL,
    place         text NOT NULL DEFAULT '',
    reason        text NOT NULL,
    raw           bytea NOT NULL
);
COMMENT ON TABLE quarantine IS 'What could not be taken as a position, as bytes, with the reason. place: file and line, or peer address.';
CREATE INDEX quarantine_received ON quarantine (received_at);

CREATE TABLE intake_count (
    hour        timestamptz NOT NULL,
    source      text NOT NULL,
    received    bigint NOT NULL DEFAULT 0,
    accepted    bigint NOT NULL DEFAULT 0,
    duplicate   bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, source),
    CHECK (received = accepted + duplicate + quarantined)
);
COMMENT ON TABLE intake_count IS 'Accepted + duplicate + quarantined = received, per hour of receipt and source (jt808, nmea, mqtt, import).';

CREATE TABLE open_day (
    vehicle_id int NOT NULL,
    day        date NOT NULL,
    revision   bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (day, vehicle_id)
);
COMMENT ON TABLE open_day IS 'Vehicle-days with positions that no sealed part holds yet; a late position opens its day again.';

CREATE TABLE stale_day (
    vehicle_id int NOT NULL,
    day        date NOT NULL,
    PRIMARY KEY (day, vehicle_id)
);
COMMENT ON TABLE stale_day IS 'Vehicle-days sealed since they were last audited.';

CREATE TABLE sealed_part (
    day      date NOT NULL,
    bucket   int NOT NULL,
    version  int NOT NULL,
    sequence bigint NOT NULL,
    rows     bigint NOT NULL,
    path     text NOT NULL,
    PRIMARY KEY (day, bucket, version)
);
COMMENT ON TABLE sealed_part IS 'Index of the archive: the newest version of a (day, bucket) is the one to read.';

CREATE TABLE archive_head (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sequence bigint NOT NULL,
    sha256   text NOT NULL
);
COMMENT ON TABLE archive_head IS 'The newest manifest''s number and hash, so that a cut-off chain is noticed.';

-- ---------------------------------------------------------------- what was derived
CREATE TABLE trip (
    trip_id         text PRIMARY KEY,
    vehicle_id      int NOT NULL REFERENCES vehicle,
    day             date NOT NULL,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz NOT NULL,
    start_lat       double precision NOT NULL,
    start_lon       double precision NOT NULL,
    end_lat         double precision NOT NULL,
    end_lon         double precision NOT NULL,
    distance_m      double precision NOT NULL,
    distance_low_m  double precision NOT NULL,
    distance_high_m double precision NOT NULL,
    odometer_m      double precision,
    duration_s      double precision NOT NULL,
    moving_s        double precision NOT NULL,
    max_speed_mps   double precision,
    off_hours_s     double precision NOT NULL,
    off_hours_m     double precision NOT NULL,
    out_of_area_s   double precision NOT NULL,
    out_of_area_m   double precision NOT NULL,
    dispatch_order  text,
    origin_place    text NOT NULL DEFAULT '',
    destination_place text NOT NULL DEFAULT '',
    private_score   double precision NOT NULL,
    features        jsonb NOT NULL DEFAULT '{}',
    CHECK (start_time < end_time)
);
COMMENT ON TABLE trip IS 'Movement between two stops. day: local day of its start. features: every further number a rule may ask for.';
CREATE INDEX trip_vehicle ON trip (vehicle_id, start_time);
CREATE INDEX trip_day ON trip (day);

CREATE TABLE stop (
    vehicle_id int NOT NULL REFERENCES vehicle,
    day        date NOT NULL,
    start_time timestamptz NOT NULL,
    end_time   timestamptz NOT NULL,
    lat        double precision NOT NULL,
    lon        double precision NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('stop', 'gap')),
    place      text NOT NULL DEFAULT '',
    PRIMARY KEY (vehicle_id, start_time)
);
COMMENT ON TABLE stop IS 'The dwelling between two trips, cut at local midnight; a gap is a silence longer than the gap threshold.';
CREATE INDEX stop_day ON stop (day);

CREATE TABLE vehicle_day (
    vehicle_id      int NOT NULL REFERENCES vehicle,
    day             date NOT NULL,
    positions       bigint NOT NULL,
    doubtful        bigint NOT NULL,
    trips           int NOT NULL,
    distance_m      double precision NOT NULL,
    distance_low_m  double precision NOT NULL,
    distance_high_m double precision NOT NULL,
    odometer_m      double precision,
    moving_s        double precision NOT NULL,
    off_hours_m     double precision NOT NULL,
    out_of_area_m   double precision NOT NULL,
    PRIMARY KEY (vehicle_id, day)
);
COMMENT ON TABLE vehicle_day IS 'Rollup of one vehicle and local day; a trip over midnight gives each day its own metres.';
CREATE INDEX vehicle_day_day ON vehicle_day (day);

CREATE TABLE flag (
    flag_id      text PRIMARY KEY,
    rule         text NOT NULL,
    rule_version int NOT NULL,
    level        text NOT NULL CHECK (level IN ('prompt', 'yellow', 'red')),
    trip_id      text NOT NULL,
    vehicle_id   int NOT NULL REFERENCES vehicle,
    day          date NOT NULL,
    start_time   timestamptz NOT NULL,
    end_time     timestamptz NOT NULL,
    points       double precision NOT NULL,
    reason_zh    text NOT NULL,
    reason_en    text NOT NULL,
    numbers      jsonb NOT NULL,
    raised_at    timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz
);
COMMENT ON TABLE flag IS 'What a rule found, with each number beside its threshold. Withdrawn, not deleted, when late data takes its ground away.';
CREATE INDEX flag_day ON flag (day) WHERE withdrawn_at IS NULL;
CREATE INDEX flag_trip ON flag (trip_id);
CREATE INDEX flag_vehicle ON flag (vehicle_id, start_time);

-- ---------------------------------------------------------------- who looks
CREATE TABLE app_user (
    user_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('manager', 'inspector', 'auditor', 'admin')),
    unit_id       int REFERENCES unit,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (role <> 'manager' OR unit_id IS NOT NULL)
);
COMMENT ON TABLE app_user IS 'A person who signs in; a manager sees the subtree of one unit.';

CREATE TABLE web_session (
    token_sha256 bytea PRIMARY KEY,
    user_id      int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
COMMENT ON TABLE web_session IS 'A signed-in browser; the cookie''s token is kept as a hash only.';

CREATE TABLE access_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    user_id  int NOT NULL REFERENCES app_user,
    action   text NOT NULL,
    subject  text NOT NULL
);
COMMENT ON TABLE access_log IS 'Every look at a track: who, when, which vehicle or trip. Append-only.';
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP; END $$;
CREATE TRIGGER access_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
