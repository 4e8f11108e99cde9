-- One append-only log for looks, decisions, settings and rules, hash-chained by the database itself.
-- What an entry's hash is made of stands in docs/log.md; store/log_chain.py computes it again without these functions.

CREATE TABLE log_entry (
    entry_id        bigint PRIMARY KEY CHECK (entry_id > 0),
    at              timestamptz NOT NULL,
    user_id         int REFERENCES app_user,
    kind            text NOT NULL CHECK (kind IN ('access', 'decision', 'setting', 'rule')),
    action          text NOT NULL CHECK (action <> ''),
    subject         text NOT NULL,
    facts           jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(facts) = 'object'),
    previous_sha256 text NOT NULL,
    sha256          text NOT NULL
);
COMMENT ON TABLE log_entry IS 'Who looked at what, decided what, changed which setting or rule. Append-only; each entry holds the hash of the one before.';
COMMENT ON COLUMN log_entry.entry_id IS '1, 2, 3, … without a gap, given by the trigger; the chain goes by it, not by time.';
COMMENT ON COLUMN log_entry.at IS 'The server''s clock when the entry was written; earlier than the one before where the clock was set back.';
COMMENT ON COLUMN log_entry.user_id IS 'Who; null for the command line and the service, whose facts name the account of the system.';
COMMENT ON COLUMN log_entry.kind IS 'access: a look; decision: what somebody decided; setting: what the service or the judgement goes by was changed; rule: a rule was.';
COMMENT ON COLUMN log_entry.action IS 'What was done, in words that stay the same.';
COMMENT ON COLUMN log_entry.subject IS 'To what: number of a vehicle or terminal, trip_id, code of a calendar, name of a setting or rule.';
COMMENT ON COLUMN log_entry.facts IS 'What else belongs to it, no secrets.';
COMMENT ON COLUMN log_entry.previous_sha256 IS 'sha256 of the entry before; 64 zeros in the first.';
COMMENT ON COLUMN log_entry.sha256 IS 'SHA-256 in hex over all the other columns, as docs/log.md says.';
CREATE INDEX log_entry_at ON log_entry (at);
CREATE INDEX log_entry_subject ON log_entry (subject, entry_id);
CREATE INDEX log_entry_user ON log_entry (user_id, entry_id);

CREATE TABLE log_head (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    entry_id bigint NOT NULL,
    sha256   text NOT NULL
);
COMMENT ON TABLE log_head IS 'Number and hash of the newest entry of the log, so that a cut-off chain is noticed; appends wait for each other at this row.';
COMMENT ON COLUMN log_head.only_one IS 'There is one row.';
COMMENT ON COLUMN log_head.entry_id IS 'The newest entry; 0 where there is none.';
COMMENT ON COLUMN log_head.sha256 IS 'Its hash; 64 zeros where there is none.';
INSERT INTO log_head (entry_id, sha256) VALUES (0, repeat('0', 64));

CREATE TABLE log_export (
    day         date PRIMARY KEY,
    entry_id    bigint NOT NULL,
    exported_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE log_export IS 'Local days whose last entry of the log was written to a file beside the archive, so that a missing file is noticed.';
COMMENT ON COLUMN log_export.day IS 'Local day.';
COMMENT ON COLUMN log_export.entry_id IS 'Its last entry, which the file names with its hash.';
COMMENT ON COLUMN log_export.exported_at IS 'When the file was written.';

CREATE FUNCTION log_field(value text) RETURNS bytea LANGUAGE sql STABLE AS
$$ SELECT convert_to(octet_length(convert_to(value, 'UTF8')) || ':' || value || ',', 'UTF8') $$;
COMMENT ON FUNCTION log_field(text) IS 'A field of an entry as its hash takes it, a netstring: length in bytes, colon, UTF-8, comma.';

CREATE FUNCTION log_sha256(
    entry_id bigint, at timestamptz, user_id int, kind text, action text, subject text, facts jsonb, previous_sha256 text
) RETURNS text LANGUAGE sql STABLE AS
$$
    SELECT encode(sha256(string_agg(log_field(coalesce(value, '')), '' ORDER BY place)), 'hex')
    FROM unnest(ARRAY[
        'gongche log 1', entry_id::text, (extract(epoch FROM at) * 1000000)::bigint::text, user_id::text,
        kind, action, subject, facts::text, previous_sha256
    ]) WITH ORDINALITY AS field (value, place)
$$;
COMMENT ON FUNCTION log_sha256(bigint, timestamptz, int, text, text, text, jsonb, text) IS 'The hash of an entry, in hex.';

-- ---------------------------------------------------------------- the looks that were logged before
DO $$
DECLARE
    look record;
    number bigint := 0;
    previous text := repeat('0', 64);
    hash text;
    sort text;
BEGIN
    FOR look IN SELECT at, user_id, action, subject FROM access_log ORDER BY entry_id LOOP
        number := number + 1;
        sort := CASE
            WHEN look.action IN ('calendar edited', 'price edited', 'terminal set_parameters') THEN 'setting'
            WHEN look.action IN (
                'terminal approved', 'terminal refused', 'terminal refusal undone', 'terminal text', 'terminal resend'
            ) THEN 'decision'
            ELSE 'access'
        END;
        hash := log_sha256(number, look.at, look.user_id, sort, look.action, look.subject, '{}', previous);
        INSERT INTO log_entry (entry_id, at, user_id, kind, action, subject, previous_sha256, sha256)
        VALUES (number, look.at, look.user_id, sort, look.action, look.subject, previous, hash);
        previous := hash;
    END LOOP;
    UPDATE log_head SET entry_id = number, sha256 = previous;
END
$$;
DROP TABLE access_log;

-- ---------------------------------------------------------------- from here on it only grows
CREATE FUNCTION log_append() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
    head log_head;
BEGIN
    SELECT * INTO STRICT head FROM log_head FOR UPDATE;
    NEW.entry_id := head.entry_id + 1;
    NEW.at := clock_timestamp();
    NEW.previous_sha256 := head.sha256;
    NEW.sha256 := log_sha256(
        NEW.entry_id, NEW.at, NEW.user_id, NEW.kind, NEW.action, NEW.subject, NEW.facts, NEW.previous_sha256
    );
    UPDATE log_head SET entry_id = NEW.entry_id, sha256 = NEW.sha256;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION log_append() IS 'Numbers, dates and hashes an entry; whoever comes second waits until the first has committed.';
CREATE TRIGGER log_entry_append BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION log_append();
CREATE TRIGGER log_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_head_append_only BEFORE INSERT OR DELETE OR TRUNCATE ON log_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_head_by_trigger_only BEFORE UPDATE ON log_head
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_export_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_export
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE schema_migration IS 'The migrations applied to this database.';
COMMENT ON COLUMN schema_migration.number IS 'Number of the file.';
COMMENT ON COLUMN schema_migration.name IS 'Name of the file.';
COMMENT ON COLUMN schema_migration.sha256 IS 'Its hash; a file that was changed since is refused.';
COMMENT ON COLUMN schema_migration.applied_at IS 'When it was applied.';
