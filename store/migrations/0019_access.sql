-- Why a track was opened, and who unlocked that of a vehicle which two persons have to open.

CREATE TABLE track_purpose (
    purpose_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    int NOT NULL REFERENCES app_user,
    vehicle_id int NOT NULL REFERENCES vehicle,
    kind       text NOT NULL CONSTRAINT track_purpose_kind CHECK (kind IN ('review', 'case', 'explanation', 'management',
                   'complaint', 'audit', 'other')),
    said       text NOT NULL DEFAULT '',
    case_id    int REFERENCES case_file,
    stated_at  timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT track_purpose_of_a_case CHECK ((kind = 'case') = (case_id IS NOT NULL)),
    CONSTRAINT track_purpose_said CHECK (kind NOT IN ('complaint', 'other') OR said <> ''),
    CHECK (stated_at < expires_at)
);
COMMENT ON TABLE track_purpose IS 'What a person said a vehicle''s tracks are opened for; without one that still holds none is opened. Append-only.';
COMMENT ON COLUMN track_purpose.purpose_id IS 'Our number of it.';
COMMENT ON COLUMN track_purpose.user_id IS 'Who.';
COMMENT ON COLUMN track_purpose.vehicle_id IS 'Whose tracks.';
COMMENT ON COLUMN track_purpose.kind IS 'review of a flag, a case, the explanation of a unit, management of the own fleet, a complaint, an audit, other.';
COMMENT ON COLUMN track_purpose.said IS 'In words; never empty for a complaint or another purpose.';
COMMENT ON COLUMN track_purpose.case_id IS 'The case, where that is the purpose.';
COMMENT ON COLUMN track_purpose.stated_at IS 'When.';
COMMENT ON COLUMN track_purpose.expires_at IS 'Until when it holds.';
CREATE INDEX track_purpose_person ON track_purpose (user_id, vehicle_id, expires_at);
CREATE TRIGGER track_purpose_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON track_purpose
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE track_unlock (
    unlock_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id int NOT NULL REFERENCES vehicle,
    asked_by   int NOT NULL REFERENCES app_user,
    reason     text NOT NULL CHECK (reason <> ''),
    asked_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (unlock_id, asked_by)
);
COMMENT ON TABLE track_unlock IS 'Requests to open the tracks of a vehicle that is exempted from all rules: one person asks, another allows it. Append-only.';
COMMENT ON COLUMN track_unlock.unlock_id IS 'Our number of it.';
COMMENT ON COLUMN track_unlock.vehicle_id IS 'Whose tracks.';
COMMENT ON COLUMN track_unlock.asked_by IS 'Who asks.';
COMMENT ON COLUMN track_unlock.reason IS 'Why.';
COMMENT ON COLUMN track_unlock.asked_at IS 'When.';
CREATE INDEX track_unlock_vehicle ON track_unlock (vehicle_id);
CREATE TRIGGER track_unlock_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON track_unlock
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE track_unlock_answer (
    unlock_id   bigint PRIMARY KEY,
    asked_by    int NOT NULL,
    answered_by int NOT NULL REFERENCES app_user,
    granted     boolean NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    FOREIGN KEY (unlock_id, asked_by) REFERENCES track_unlock (unlock_id, asked_by),
    CONSTRAINT track_unlock_two_persons CHECK (answered_by <> asked_by),
    CONSTRAINT track_unlock_answer_ends CHECK (granted = (expires_at IS NOT NULL))
);
COMMENT ON TABLE track_unlock_answer IS 'What the second person answered; never the one who asked. Append-only.';
COMMENT ON COLUMN track_unlock_answer.unlock_id IS 'The request.';
COMMENT ON COLUMN track_unlock_answer.asked_by IS 'Who had asked.';
COMMENT ON COLUMN track_unlock_answer.answered_by IS 'Who answered.';
COMMENT ON COLUMN track_unlock_answer.granted IS 'Allowed, or refused.';
COMMENT ON COLUMN track_unlock_answer.answered_at IS 'When.';
COMMENT ON COLUMN track_unlock_answer.expires_at IS 'Until when both may open the tracks; NULL: refused.';
CREATE TRIGGER track_unlock_answer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON track_unlock_answer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
