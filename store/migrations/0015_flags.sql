-- A flag is on more than trips, keeps what lifts it, and has a verdict once a case decided.

ALTER TABLE flag
    ADD COLUMN subject text CONSTRAINT flag_subject CHECK (subject ~ '^[a-z]+(_[a-z]+)*$'),
    ADD COLUMN subject_id text CONSTRAINT flag_subject_id CHECK (subject_id <> ''),
    ADD COLUMN exemption_id int REFERENCES exemption;
UPDATE flag SET subject = CASE trip_id WHEN '' THEN 'dark' ELSE 'trip' END, subject_id = coalesce(nullif(split_part(flag_id, ':', 2), ''), flag_id);
ALTER TABLE flag ALTER COLUMN subject SET NOT NULL, ALTER COLUMN subject_id SET NOT NULL;
COMMENT ON COLUMN flag.subject IS 'What the rule is on: trip, dark (an entry of the dark-kilometre ledger), night, refuel, card, month, …';
COMMENT ON COLUMN flag.subject_id IS 'Which one: trip_id, dark_id, …; flag_id is the rule and this.';
COMMENT ON COLUMN flag.exemption_id IS 'The exemption that lifts it: it is kept and shown as exempted, and nobody has to review it; NULL: none does.';
CREATE INDEX flag_subject_id ON flag (subject, subject_id);

CREATE VIEW flag_verdict AS
SELECT DISTINCT ON (f.flag_id) f.flag_id, e.case_id, e.to_state AS verdict, e.at AS decided_at, e.user_id, e.reason
FROM case_event e JOIN case_flag f USING (case_id)
WHERE e.to_state IN ('confirmed', 'dismissed') AND e.from_state IS DISTINCT FROM e.to_state
ORDER BY f.flag_id, e.event_id DESC;
COMMENT ON VIEW flag_verdict IS 'What was decided of each flag, the newest decision of its cases.';
COMMENT ON COLUMN flag_verdict.flag_id IS 'The flag.';
COMMENT ON COLUMN flag_verdict.case_id IS 'The case that decided.';
COMMENT ON COLUMN flag_verdict.verdict IS 'confirmed or dismissed.';
COMMENT ON COLUMN flag_verdict.decided_at IS 'When.';
COMMENT ON COLUMN flag_verdict.user_id IS 'Who decided.';
COMMENT ON COLUMN flag_verdict.reason IS 'Why, in words.';
