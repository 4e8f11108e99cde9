-- The archive holds more than positions: what positions carried beyond their columns, and what terminals said byte by byte.

CREATE TABLE sealed_notes (
    day     date NOT NULL,
    bucket  int NOT NULL,
    version int NOT NULL,
    rows    bigint NOT NULL,
    path    text NOT NULL,
    PRIMARY KEY (day, bucket, version),
    CHECK ((rows > 0) = (path <> ''))
);
COMMENT ON TABLE sealed_notes IS 'Sealed parts of position_note, each written with the positions'' part of the same day, bucket and version; a row without a path says that there was no note. The newest version holds every note of its bucket and day, unless the vehicle-day stands in open_day. Of what was sealed by older releases there is no row: its notes are not sealed.';
COMMENT ON COLUMN sealed_notes.day IS 'Local day of the fix.';
COMMENT ON COLUMN sealed_notes.bucket IS 'vehicle_id divided by the vehicles of a bucket.';
COMMENT ON COLUMN sealed_notes.version IS 'Of the sealing of this day and bucket.';
COMMENT ON COLUMN sealed_notes.rows IS 'Notes in it.';
COMMENT ON COLUMN sealed_notes.path IS 'Below the archive''s root; empty: no note, no part.';

CREATE TABLE sealed_frames (
    day      date NOT NULL,
    part     int NOT NULL,
    sequence bigint NOT NULL,
    rows     bigint NOT NULL CHECK (rows > 0),
    path     text NOT NULL,
    PRIMARY KEY (day, part)
);
COMMENT ON TABLE sealed_frames IS 'Sealed parts of raw_frame, whose rows were taken out of it when they were sealed. All parts of a day count: a later one holds what came later.';
COMMENT ON COLUMN sealed_frames.day IS 'Local day of receipt.';
COMMENT ON COLUMN sealed_frames.part IS 'From 0.';
COMMENT ON COLUMN sealed_frames.sequence IS 'Number of the manifest that names it.';
COMMENT ON COLUMN sealed_frames.rows IS 'Rows in it.';
COMMENT ON COLUMN sealed_frames.path IS 'Below the archive''s root.';

-- Sealing asks by day of receipt, whichever terminal it was.
CREATE INDEX raw_frame_received ON raw_frame (received_at);

-- Notes of days that were sealed without them are sealed with the next sealing.
INSERT INTO open_day (vehicle_id, day)
SELECT DISTINCT n.vehicle_id, local.day
FROM position_note n, LATERAL (SELECT (n.fix_time AT TIME ZONE 'UTC' + interval '8 hours')::date AS day) AS local
WHERE EXISTS (SELECT FROM sealed_part p WHERE p.day = local.day AND p.bucket = n.vehicle_id / 512)
ORDER BY 2, 1
ON CONFLICT (day, vehicle_id) DO UPDATE SET revision = open_day.revision + 1;
