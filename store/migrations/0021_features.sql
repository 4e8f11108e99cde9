-- Which days of derived rows changed since a file of features was made of them.

CREATE TABLE feature_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject   text NOT NULL CONSTRAINT feature_change_subject CHECK (subject ~ '^[a-z]+(_[a-z]+)*$'),
    day       date NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE feature_change IS 'Changes of the rows that rules judge, by subject and local day: a file of features that names not exactly these is made anew. Rows are only added, so that audits never wait for each other; once a file is made, the newest of those it rests on stands for all.';
COMMENT ON COLUMN feature_change.change_id IS 'Our number of the change.';
COMMENT ON COLUMN feature_change.subject IS 'What the rows are: trip, dark, night.';
COMMENT ON COLUMN feature_change.day IS 'Local day whose rows changed.';
COMMENT ON COLUMN feature_change.at IS 'When; with the number it names the change even where a backup was restored and numbers come again.';
CREATE INDEX feature_change_day ON feature_change (subject, day);
