-- Records beside the positions: refuelling, vehicles sealed for holidays, and the subjects that rules judge of them.

CREATE TABLE refuel (
    refuel_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receipt_no   text NOT NULL CHECK (receipt_no ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    vehicle_id   int NOT NULL REFERENCES vehicle,
    refuelled_at timestamptz NOT NULL,
    litres       double precision NOT NULL CHECK (litres > 0 AND litres <= 10000),
    yuan         double precision CHECK (yuan >= 0 AND yuan <= 1000000),
    odometer_m   bigint CHECK (odometer_m >= 0),
    station      text NOT NULL DEFAULT '',
    lat          double precision CHECK (lat BETWEEN -90 AND 90),
    lon          double precision CHECK (lon BETWEEN -180 AND 180),
    card_no      text NOT NULL DEFAULT '',
    cancelled    boolean NOT NULL DEFAULT false,
    source       text NOT NULL CHECK (source <> ''),
    entered_at   timestamptz NOT NULL DEFAULT now(),
    entered_by   int REFERENCES app_user,
    CONSTRAINT refuel_place CHECK (num_nulls(lat, lon) IN (0, 2))
);
CREATE UNIQUE INDEX refuel_receipt ON refuel (receipt_no, refuel_id);
CREATE INDEX refuel_vehicle ON refuel (vehicle_id, refuelled_at);
CREATE INDEX refuel_time ON refuel (refuelled_at);
CREATE TRIGGER refuel_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refuel
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE refuel IS 'Refuelling as receipts say it. Append-only: a later row of the same receipt holds in place of the former, which stays.';
COMMENT ON COLUMN refuel.refuel_id IS 'Our number of the row; of the rows of one receipt the highest holds.';
COMMENT ON COLUMN refuel.receipt_no IS 'Number of the receipt, or of the fuel card''s transaction.';
COMMENT ON COLUMN refuel.vehicle_id IS 'The vehicle it was charged to.';
COMMENT ON COLUMN refuel.refuelled_at IS 'When, as the receipt says.';
COMMENT ON COLUMN refuel.litres IS 'Litres charged.';
COMMENT ON COLUMN refuel.yuan IS 'Yuan paid; NULL: not told.';
COMMENT ON COLUMN refuel.odometer_m IS 'Odometer as the driver entered it, metres; NULL: not told.';
COMMENT ON COLUMN refuel.station IS 'Name of the station; empty: not told.';
COMMENT ON COLUMN refuel.lat IS 'Where the station is, WGS-84 degrees; NULL: not known.';
COMMENT ON COLUMN refuel.lon IS 'Where the station is, WGS-84 degrees; NULL: not known.';
COMMENT ON COLUMN refuel.card_no IS 'Fuel card that paid; empty: not told.';
COMMENT ON COLUMN refuel.cancelled IS 'The receipt was entered by mistake: from this row on it counts for nothing.';
COMMENT ON COLUMN refuel.source IS 'Where it came from: import and file, page, api.';
COMMENT ON COLUMN refuel.entered_at IS 'When it was entered here.';
COMMENT ON COLUMN refuel.entered_by IS 'Who entered it; NULL: the command line.';

CREATE VIEW valid_refuel AS
SELECT * FROM refuel r
WHERE NOT cancelled
  AND NOT EXISTS (SELECT FROM refuel later WHERE later.receipt_no = r.receipt_no AND later.refuel_id > r.refuel_id);
COMMENT ON VIEW valid_refuel IS 'The row of each receipt that holds: the newest, unless it cancels the receipt.';
COMMENT ON COLUMN valid_refuel.refuel_id IS 'Our number of the row.';
COMMENT ON COLUMN valid_refuel.receipt_no IS 'Number of the receipt.';
COMMENT ON COLUMN valid_refuel.vehicle_id IS 'The vehicle it was charged to.';
COMMENT ON COLUMN valid_refuel.refuelled_at IS 'When, as the receipt says.';
COMMENT ON COLUMN valid_refuel.litres IS 'Litres charged.';
COMMENT ON COLUMN valid_refuel.yuan IS 'Yuan paid; NULL: not told.';
COMMENT ON COLUMN valid_refuel.odometer_m IS 'Odometer as entered, metres; NULL: not told.';
COMMENT ON COLUMN valid_refuel.station IS 'Name of the station.';
COMMENT ON COLUMN valid_refuel.lat IS 'Where the station is; NULL: not known.';
COMMENT ON COLUMN valid_refuel.lon IS 'Where the station is; NULL: not known.';
COMMENT ON COLUMN valid_refuel.card_no IS 'Fuel card that paid; empty: not told.';
COMMENT ON COLUMN valid_refuel.cancelled IS 'False.';
COMMENT ON COLUMN valid_refuel.source IS 'Where it came from.';
COMMENT ON COLUMN valid_refuel.entered_at IS 'When it was entered here.';
COMMENT ON COLUMN valid_refuel.entered_by IS 'Who entered it; NULL: the command line.';

-- A seal entered by mistake is ended at the instant it began: it then holds no time, and another may take its place.
CREATE TABLE vehicle_seal (
    seal_id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id          int NOT NULL REFERENCES vehicle,
    sealed_at           timestamptz NOT NULL,
    odometer_m          bigint CHECK (odometer_m >= 0),
    bay_zone_id         int REFERENCES zone,
    bay                 text NOT NULL DEFAULT '',
    key_custodian       text NOT NULL DEFAULT '',
    reason              text NOT NULL CHECK (reason <> ''),
    unsealed_at         timestamptz,
    unsealed_odometer_m bigint CHECK (unsealed_odometer_m >= 0),
    entered_at          timestamptz NOT NULL DEFAULT now(),
    entered_by          int REFERENCES app_user,
    unseal_entered_at   timestamptz,
    unseal_entered_by   int REFERENCES app_user,
    CONSTRAINT vehicle_seal_order CHECK (unsealed_at >= sealed_at),
    CONSTRAINT vehicle_seal_ended CHECK (num_nulls(unsealed_at, unseal_entered_at) IN (0, 2)
        AND (unsealed_at IS NOT NULL OR num_nonnulls(unsealed_odometer_m, unseal_entered_by) = 0)),
    CONSTRAINT vehicle_seal_one_at_a_time EXCLUDE USING gist (vehicle_id WITH =, tstzrange(sealed_at, unsealed_at) WITH &&)
);
CREATE INDEX vehicle_seal_time ON vehicle_seal (sealed_at);
CREATE TRIGGER vehicle_seal_append_only BEFORE DELETE OR TRUNCATE ON vehicle_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER vehicle_seal_ends_once BEFORE UPDATE ON vehicle_seal
    FOR EACH ROW WHEN (OLD.unsealed_at IS NOT NULL
        OR (OLD.seal_id, OLD.vehicle_id, OLD.sealed_at, OLD.odometer_m, OLD.bay_zone_id, OLD.bay, OLD.key_custodian,
            OLD.reason, OLD.entered_at, OLD.entered_by)
        IS DISTINCT FROM (NEW.seal_id, NEW.vehicle_id, NEW.sealed_at, NEW.odometer_m, NEW.bay_zone_id, NEW.bay,
            NEW.key_custodian, NEW.reason, NEW.entered_at, NEW.entered_by))
    EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE vehicle_seal IS 'Vehicles sealed for a holiday: from when to when, where, who keeps the keys, the odometer before and after. One seal of a vehicle at a time; a row ends once and is not changed otherwise.';
COMMENT ON COLUMN vehicle_seal.seal_id IS 'Our number of the seal.';
COMMENT ON COLUMN vehicle_seal.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN vehicle_seal.sealed_at IS 'From when on nobody may use it.';
COMMENT ON COLUMN vehicle_seal.odometer_m IS 'Odometer read at sealing, metres; NULL: not read.';
COMMENT ON COLUMN vehicle_seal.bay_zone_id IS 'Zone it stands in; NULL: told in words, or not.';
COMMENT ON COLUMN vehicle_seal.bay IS 'Where it stands, in words; empty: by the zone, or not told.';
COMMENT ON COLUMN vehicle_seal.key_custodian IS 'Who keeps the keys; empty: not told.';
COMMENT ON COLUMN vehicle_seal.reason IS 'Why it is sealed: the holiday.';
COMMENT ON COLUMN vehicle_seal.unsealed_at IS 'Before when; NULL: it is sealed still. As sealed_at: the seal was entered by mistake.';
COMMENT ON COLUMN vehicle_seal.unsealed_odometer_m IS 'Odometer read at unsealing, metres; NULL: not read.';
COMMENT ON COLUMN vehicle_seal.entered_at IS 'When the seal was entered here.';
COMMENT ON COLUMN vehicle_seal.entered_by IS 'Who entered it; NULL: the command line.';
COMMENT ON COLUMN vehicle_seal.unseal_entered_at IS 'When its end was entered here; NULL: it has none.';
COMMENT ON COLUMN vehicle_seal.unseal_entered_by IS 'Who entered its end; NULL: the command line, or nobody yet.';

-- Inserted by whoever brings a record, deleted by whoever judged it; no row is updated, so that nobody waits.
CREATE TABLE record_change (
    change_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id int NOT NULL REFERENCES vehicle,
    day        date NOT NULL
);
CREATE INDEX record_change_day ON record_change (day);
COMMENT ON TABLE record_change IS 'Days of which records came, or were corrected, since rules last judged them.';
COMMENT ON COLUMN record_change.change_id IS 'Our number of the mark; who has judged takes away those that it had read before.';
COMMENT ON COLUMN record_change.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN record_change.day IS 'Local day.';

CREATE TABLE judged_record (
    subject    text NOT NULL CONSTRAINT judged_record_subject CHECK (subject ~ '^[a-z]+(_[a-z]+)*$'),
    subject_id text NOT NULL CHECK (subject_id <> ''),
    vehicle_id int NOT NULL REFERENCES vehicle,
    day        date NOT NULL,
    start_time timestamptz NOT NULL,
    end_time   timestamptz NOT NULL,
    features   jsonb NOT NULL,
    PRIMARY KEY (subject, subject_id)
);
CREATE INDEX judged_record_day ON judged_record (subject, day);
CREATE INDEX judged_record_vehicle ON judged_record (vehicle_id, day);
COMMENT ON TABLE judged_record IS 'What rules judge beside trips and silences, with the features they were asked about: refuellings, cards in two vehicles, vehicle-months, seals. Can be rebuilt from the records and what was derived.';
COMMENT ON COLUMN judged_record.subject IS 'refuel, card, month or seal.';
COMMENT ON COLUMN judged_record.subject_id IS 'Which one; flags on it carry the same.';
COMMENT ON COLUMN judged_record.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN judged_record.day IS 'Local day it is listed under: of the refuelling, of the sealing, on which the card was in two vehicles first, the last one of the month.';
COMMENT ON COLUMN judged_record.start_time IS 'Beginning.';
COMMENT ON COLUMN judged_record.end_time IS 'End.';
COMMENT ON COLUMN judged_record.features IS 'Its features by name; null: missing.';
