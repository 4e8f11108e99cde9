-- What terminals said byte by byte, where the setting keep_raw_frames asks for it.

CREATE TABLE raw_frame (
    frame_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at  timestamptz NOT NULL,
    source       text NOT NULL,
    place        text NOT NULL DEFAULT '',
    terminal_key text NOT NULL DEFAULT '',
    frames       bytea NOT NULL
);
COMMENT ON TABLE raw_frame IS 'What terminals said, byte by byte as it came: frames with their escapes, lines with their ends, payloads. All of a connection in the order of frame_id is what it said, nothing left out. Kept where keep_raw_frames is set, written in the transaction of the positions.';
COMMENT ON COLUMN raw_frame.frame_id IS 'Order of writing; of one connection it is the order of coming.';
COMMENT ON COLUMN raw_frame.received_at IS 'Receipt of the last of these bytes.';
COMMENT ON COLUMN raw_frame.source IS 'Protocol: jt808, nmea, mqtt.';
COMMENT ON COLUMN raw_frame.place IS 'Peer address, or topic.';
COMMENT ON COLUMN raw_frame.terminal_key IS 'Number of the terminal without leading zeros; empty where none was said.';
COMMENT ON COLUMN raw_frame.frames IS 'The bytes of one read: whole frames, lines or one payload, save where a frame never ended.';
CREATE INDEX raw_frame_terminal ON raw_frame (terminal_key, received_at);
