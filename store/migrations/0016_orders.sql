-- Dispatch orders as a life cycle with its steps; ends of exemptions; tokens of machines that speak for a person.

-- ---------------------------------------------------------------- orders
ALTER TABLE dispatch_order
    ADD COLUMN state text NOT NULL DEFAULT 'approved'
        CONSTRAINT dispatch_order_state CHECK (state IN ('applied', 'approved', 'dispatched', 'returned', 'closed', 'refused', 'cancelled')),
    ADD COLUMN purpose_class text NOT NULL DEFAULT ''
        CONSTRAINT dispatch_order_purpose_class CHECK (purpose_class IN ('', 'duty', 'law_enforcement', 'emergency', 'confidential',
            'special_technical', 'private_approved', 'other')),
    ADD COLUMN driver text NOT NULL DEFAULT '',
    ADD COLUMN odometer_out_km double precision
        CONSTRAINT dispatch_order_odometer_out CHECK (odometer_out_km >= 0),
    ADD COLUMN odometer_in_km double precision
        CONSTRAINT dispatch_order_odometer_in CHECK (odometer_in_km >= coalesce(odometer_out_km, 0)),
    ADD COLUMN emergency boolean NOT NULL DEFAULT false,
    ADD COLUMN emergency_reason text NOT NULL DEFAULT '',
    ADD COLUMN private_use boolean NOT NULL DEFAULT false,
    ADD COLUMN applied_by int REFERENCES app_user,
    ADD COLUMN entered_at timestamptz,
    ADD CONSTRAINT dispatch_order_private CHECK (private_use OR purpose_class <> 'private_approved');
ALTER TABLE dispatch_order ALTER COLUMN entered_at SET DEFAULT now();
COMMENT ON COLUMN dispatch_order.state IS 'applied, approved, dispatched, returned, closed, refused, cancelled; it permits from approved to closed.';
COMMENT ON COLUMN dispatch_order.purpose_class IS 'Kind of purpose, which has to fit the class of the vehicle: duty, law_enforcement, emergency, confidential, special_technical, private_approved, other; empty: not said.';
COMMENT ON COLUMN dispatch_order.driver IS 'Name of the driver; empty: not named.';
COMMENT ON COLUMN dispatch_order.odometer_out_km IS 'Odometer as read when the vehicle was issued, kilometres; NULL: not read.';
COMMENT ON COLUMN dispatch_order.odometer_in_km IS 'Odometer as read when it was returned, kilometres; NULL: not read.';
COMMENT ON COLUMN dispatch_order.emergency IS 'An emergency use that was entered when it was over.';
COMMENT ON COLUMN dispatch_order.emergency_reason IS 'Why it could not be applied for before; empty: it is no such order.';
COMMENT ON COLUMN dispatch_order.private_use IS 'Approved private use: its tracks are nobody''s business, its kilometres are.';
COMMENT ON COLUMN dispatch_order.applied_by IS 'Who applied for it or entered it; NULL: it came from a file.';
COMMENT ON COLUMN dispatch_order.entered_at IS 'When it was entered here or, by a file, elsewhere; NULL: before this was kept.';
CREATE INDEX dispatch_order_ends ON dispatch_order (ends);
CREATE INDEX dispatch_order_applied ON dispatch_order (starts) WHERE state = 'applied';

ALTER TABLE dispatch_order DROP CONSTRAINT dispatch_order_one_at_a_time;
ALTER TABLE dispatch_order ADD CONSTRAINT dispatch_order_one_at_a_time
    EXCLUDE USING gist (vehicle_id WITH =, tstzrange(starts, ends) WITH &&)
    WHERE (NOT overlapping AND state NOT IN ('refused', 'cancelled')) DEFERRABLE;

CREATE SEQUENCE order_number;
COMMENT ON SEQUENCE order_number IS 'Numbers of orders that are applied for here; never given twice.';

CREATE TABLE order_event (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_no   text NOT NULL REFERENCES dispatch_order,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id    int REFERENCES app_user,
    action     text NOT NULL CHECK (action <> ''),
    from_state text,
    to_state   text NOT NULL,
    facts      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(facts) = 'object')
);
COMMENT ON TABLE order_event IS 'The steps of each dispatch order. Append-only.';
COMMENT ON COLUMN order_event.event_id IS 'Our number of the step.';
COMMENT ON COLUMN order_event.order_no IS 'The order.';
COMMENT ON COLUMN order_event.at IS 'When.';
COMMENT ON COLUMN order_event.user_id IS 'Who; NULL: a file that was imported.';
COMMENT ON COLUMN order_event.action IS 'apply, enter, approve, refuse, cancel, dispatch, return, close; imported: a file brought it up to date.';
COMMENT ON COLUMN order_event.from_state IS 'State before; NULL: there was no order.';
COMMENT ON COLUMN order_event.to_state IS 'State after.';
COMMENT ON COLUMN order_event.facts IS 'What was said with it; of an import the whole order as it stood before.';
CREATE INDEX order_event_order ON order_event (order_no, event_id);
CREATE TRIGGER order_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- exemptions
CREATE TABLE exemption_end (
    exemption_id int PRIMARY KEY REFERENCES exemption,
    ends_at      timestamptz NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    ended_by     int REFERENCES app_user,
    entered_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE exemption_end IS 'Exemptions that ended before their time. Append-only.';
COMMENT ON COLUMN exemption_end.exemption_id IS 'The exemption.';
COMMENT ON COLUMN exemption_end.ends_at IS 'Since when it lifts nothing; not after its beginning: it never did.';
COMMENT ON COLUMN exemption_end.reason IS 'Why.';
COMMENT ON COLUMN exemption_end.ended_by IS 'Who ended it; NULL: the command line.';
COMMENT ON COLUMN exemption_end.entered_at IS 'When the end was entered here.';
CREATE TRIGGER exemption_end_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exemption_end
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX flag_exemption ON flag (exemption_id) WHERE exemption_id IS NOT NULL;

-- ---------------------------------------------------------------- tokens
CREATE TABLE api_token (
    token_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      int NOT NULL REFERENCES app_user,
    token_sha256 bytea NOT NULL UNIQUE,
    label        text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON TABLE api_token IS 'Tokens by which machines ask the API as a person: with that person''s role and unit.';
COMMENT ON COLUMN api_token.token_id IS 'Our number of the token.';
COMMENT ON COLUMN api_token.user_id IS 'Whose role and unit it has.';
COMMENT ON COLUMN api_token.token_sha256 IS 'SHA-256 of the token, which was shown once and is not kept.';
COMMENT ON COLUMN api_token.label IS 'What it is for.';
COMMENT ON COLUMN api_token.created_at IS 'When it was made.';
COMMENT ON COLUMN api_token.expires_at IS 'When it ends.';
COMMENT ON COLUMN api_token.last_used_at IS 'When it was last used, to the minute; NULL: never.';
COMMENT ON COLUMN api_token.revoked_at IS 'When it was revoked; NULL: it was not.';
CREATE INDEX api_token_user ON api_token (user_id);
