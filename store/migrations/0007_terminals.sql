-- The terminals themselves: their types, what they say beside positions, what is asked of them, and how well they report.

CREATE TABLE terminal_type (
    code    text PRIMARY KEY,
    maker   text NOT NULL DEFAULT '',
    model   text NOT NULL DEFAULT '',
    datum   text NOT NULL DEFAULT 'wgs84' CHECK (datum IN ('wgs84', 'gcj02', 'bd09')),
    dialect text NOT NULL DEFAULT ''
);
COMMENT ON TABLE terminal_type IS 'A make of terminals: the datum of its coordinates and the vendor''s dialect of its additional items.';
COMMENT ON COLUMN terminal_type.code IS 'Short name, as units and vehicles have one.';
COMMENT ON COLUMN terminal_type.maker IS 'Maker''s id as in a registration (JT/T 808 0x0100).';
COMMENT ON COLUMN terminal_type.model IS 'Model as in a registration.';
COMMENT ON COLUMN terminal_type.datum IS 'Datum of the coordinates it sends; they are converted on entry and the sent ones kept.';
COMMENT ON COLUMN terminal_type.dialect IS 'Row of the table of dialects by which vendor items are read; empty: the standard''s items only.';

ALTER TABLE terminal
    ADD COLUMN type text REFERENCES terminal_type,
    ADD COLUMN terminal_key text GENERATED ALWAYS AS (coalesce(nullif(ltrim(terminal_no, '0'), ''), '0')) STORED,
    ALTER COLUMN datum DROP NOT NULL,
    ALTER COLUMN datum DROP DEFAULT;
UPDATE terminal SET datum = NULL WHERE datum = 'wgs84';
CREATE INDEX terminal_by_key ON terminal (terminal_key);
COMMENT ON COLUMN terminal.terminal_key IS 'The number without leading zeros: editions of JT/T 808 pad it to different lengths.';
COMMENT ON COLUMN terminal.type IS 'Its type; NULL: none is known.';
COMMENT ON COLUMN terminal.datum IS 'Datum of its coordinates; NULL: that of its type, WGS-84 without one.';

CREATE SEQUENCE receiver_number AS int CYCLE;
COMMENT ON SEQUENCE receiver_number IS 'Each start of a receiver process takes the next; it lives as long as its advisory lock is held.';

CREATE TABLE terminal_state (
    terminal_key text PRIMARY KEY,
    terminal_no  text NOT NULL,
    source       text NOT NULL,
    place        text NOT NULL DEFAULT '',
    online       boolean NOT NULL,
    since        timestamptz NOT NULL,
    receiver     int NOT NULL DEFAULT 0,
    heard_at     timestamptz NOT NULL,
    facts        jsonb NOT NULL DEFAULT '{}',
    refused_at   timestamptz
);
COMMENT ON TABLE terminal_state IS 'How each terminal that ever spoke stands, known or not.';
COMMENT ON COLUMN terminal_state.terminal_key IS 'The number without leading zeros: editions of JT/T 808 pad it to different lengths.';
COMMENT ON COLUMN terminal_state.terminal_no IS 'The number as it was sent last.';
COMMENT ON COLUMN terminal_state.source IS 'Protocol it spoke last: jt808, nmea, mqtt.';
COMMENT ON COLUMN terminal_state.place IS 'Peer address or topic it spoke from last.';
COMMENT ON COLUMN terminal_state.online IS 'Whether it is connected, as the receivers know it.';
COMMENT ON COLUMN terminal_state.since IS 'When it came online or went offline.';
COMMENT ON COLUMN terminal_state.receiver IS 'Receiver process that holds its connection, by receiver_number; 0: a broker does.';
COMMENT ON COLUMN terminal_state.heard_at IS 'When the last event of it came; positions are counted in terminal_count.';
COMMENT ON COLUMN terminal_state.facts IS 'What it last said of itself: registration, properties, parameters, edition.';
COMMENT ON COLUMN terminal_state.refused_at IS 'When an administrator refused it for good, as no vehicle is to be bound to it; NULL: it was not.';

CREATE TABLE terminal_event (
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_key text NOT NULL,
    at           timestamptz NOT NULL,
    kind         text NOT NULL,
    source       text NOT NULL,
    place        text NOT NULL DEFAULT '',
    facts        jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE terminal_event IS 'What terminals said and did beside positions, and findings on them. Append-only.';
COMMENT ON COLUMN terminal_event.kind IS 'As listed in ingest.parcel.TerminalEvent; twice, wrong_code, unknown and gap are findings.';
COMMENT ON COLUMN terminal_event.facts IS 'What the message said, by name; bytes in hex.';
CREATE INDEX terminal_event_terminal ON terminal_event (terminal_key, at);
CREATE INDEX terminal_event_finding ON terminal_event (at) WHERE kind IN ('twice', 'wrong_code', 'unknown', 'gap');
CREATE TRIGGER terminal_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON terminal_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE terminal_count (
    day          date NOT NULL,
    terminal_key text NOT NULL,
    received     bigint NOT NULL DEFAULT 0,
    accepted     bigint NOT NULL DEFAULT 0,
    duplicate    bigint NOT NULL DEFAULT 0,
    quarantined  bigint NOT NULL DEFAULT 0,
    no_fix       bigint NOT NULL DEFAULT 0,
    clock_fault  bigint NOT NULL DEFAULT 0,
    late         bigint NOT NULL DEFAULT 0,
    heard_at     timestamptz NOT NULL,
    PRIMARY KEY (day, terminal_key),
    CHECK (received = accepted + duplicate + quarantined)
) WITH (fillfactor = 50);
COMMENT ON TABLE terminal_count IS 'Positions of each terminal and local day of receipt: accepted + duplicate + quarantined = received.';
COMMENT ON COLUMN terminal_count.no_fix IS 'Of the accepted: without a valid fix.';
COMMENT ON COLUMN terminal_count.clock_fault IS 'Of the accepted: with a clock that cannot be right.';
COMMENT ON COLUMN terminal_count.late IS 'Of the accepted: sent from the terminal''s memory.';
COMMENT ON COLUMN terminal_count.heard_at IS 'Receipt of the last one.';

ALTER TABLE quarantine ADD COLUMN terminal_no text NOT NULL DEFAULT '', ADD COLUMN released_at timestamptz;
COMMENT ON COLUMN quarantine.terminal_no IS 'Number of the terminal, where it is known.';
COMMENT ON COLUMN quarantine.released_at IS 'When its position was taken after all, as its terminal was approved; NULL: it was not.';
CREATE INDEX quarantine_held ON quarantine (ltrim(terminal_no, '0'), quarantine_id)
    WHERE terminal_no <> '' AND released_at IS NULL;

CREATE TABLE terminal_command (
    command_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_key text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('locate', 'track', 'set_parameters', 'query_parameters',
                     'query_properties', 'text', 'resend')),
    arguments    jsonb NOT NULL DEFAULT '{}',
    asked_by     int REFERENCES app_user,
    asked_at     timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    sent_at      timestamptz,
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'done', 'failed', 'expired')),
    answered_at  timestamptz,
    answer       jsonb,
    CHECK ((answered_at IS NULL) = (state IN ('waiting', 'sent', 'expired')))
);
COMMENT ON TABLE terminal_command IS 'What was asked of a terminal, by whom, and what it answered. A terminal that is offline is asked when it comes, until expires_at.';
COMMENT ON COLUMN terminal_command.asked_by IS 'Who asked on a page; NULL: the command line.';
COMMENT ON COLUMN terminal_command.state IS 'waiting: not sent yet; sent: no answer yet; done, failed: as answered; expired: no answer in time.';
COMMENT ON COLUMN terminal_command.answer IS 'The answer by name: result, parameters, properties, position.';
CREATE INDEX terminal_command_open ON terminal_command (terminal_key) WHERE state IN ('waiting', 'sent');
CREATE INDEX terminal_command_terminal ON terminal_command (terminal_key, asked_at);

CREATE TABLE terminal_media (
    media_row    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    terminal_key text NOT NULL,
    at           timestamptz NOT NULL,
    media_no     bigint NOT NULL,
    facts        jsonb NOT NULL DEFAULT '{}',
    path         text NOT NULL DEFAULT '',
    bytes        bigint NOT NULL,
    sha256       text NOT NULL
);
COMMENT ON TABLE terminal_media IS 'Pictures, sound and film that terminals sent (JT/T 808 0x0801), stored as files below media_dir.';
COMMENT ON COLUMN terminal_media.media_no IS 'The terminal''s own number of it.';
COMMENT ON COLUMN terminal_media.facts IS 'Type, format, event and channel by name, and the position it was taken at.';
COMMENT ON COLUMN terminal_media.path IS 'Below media_dir; empty: only its hash was kept, as the setting says.';
CREATE INDEX terminal_media_terminal ON terminal_media (terminal_key, at);

-- A position that is sent again may say more than the first time: both notes are what the terminal sent.
ALTER TABLE position_note
    ADD COLUMN digest text GENERATED ALWAYS AS (md5(note::text)) STORED,
    DROP CONSTRAINT position_note_pkey,
    ADD PRIMARY KEY (vehicle_id, fix_time, variant, digest);
COMMENT ON COLUMN position_note.digest IS 'Of the note: notes of one position that say other things are kept beside each other.';
