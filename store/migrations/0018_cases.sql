-- Cases at work: an appeal that is upheld, the clock that runs, one card of a kind for a deadline, inspectors of own cases.

ALTER TABLE case_file
    DROP CONSTRAINT case_file_state,
    ADD CONSTRAINT case_file_state CHECK (state IN ('flagged', 'assigned', 'explanation_asked', 'explained', 'confirmed',
        'dismissed', 'dealt_with', 'rectified', 'appealed', 'upheld', 'reopened', 'closed')),
    ADD COLUMN clock text CONSTRAINT case_file_clock CHECK (clock IN ('explain', 'decide', 'rectify')),
    ADD COLUMN clock_days int CONSTRAINT case_file_clock_days CHECK (clock_days > 0),
    ADD COLUMN clock_started_at timestamptz,
    ADD CONSTRAINT case_file_clock_whole CHECK (num_nulls(clock, clock_days, clock_started_at) IN (0, 3)
                                                AND (clock IS NULL OR deadline IS NOT NULL));
COMMENT ON COLUMN case_file.state IS 'flagged → assigned → explanation_asked → explained → confirmed or dismissed → dealt_with → rectified → closed; appealed leads to upheld or reopened. docs/cases.md draws it.';
COMMENT ON COLUMN case_file.clock IS 'What runs: explain (the unit), decide (the inspector), rectify; NULL: nothing does.';
COMMENT ON COLUMN case_file.clock_days IS 'Its limit in working days, as it was when it began.';
COMMENT ON COLUMN case_file.clock_started_at IS 'When it began.';
CREATE INDEX case_file_deadline ON case_file (deadline) WHERE open AND clock IS NOT NULL;

ALTER TABLE case_event
    DROP CONSTRAINT case_event_from_state,
    ADD CONSTRAINT case_event_from_state CHECK (from_state IN ('flagged', 'assigned', 'explanation_asked', 'explained',
        'confirmed', 'dismissed', 'dealt_with', 'rectified', 'appealed', 'upheld', 'reopened', 'closed')),
    DROP CONSTRAINT case_event_to_state,
    ADD CONSTRAINT case_event_to_state CHECK (to_state IN ('flagged', 'assigned', 'explanation_asked', 'explained',
        'confirmed', 'dismissed', 'dealt_with', 'rectified', 'appealed', 'upheld', 'reopened', 'closed')),
    DROP CONSTRAINT case_event_reasoned,
    ADD CONSTRAINT case_event_reasoned CHECK (to_state NOT IN ('confirmed', 'dismissed', 'appealed', 'upheld', 'reopened')
                                              OR from_state = to_state OR reason <> ''),
    ADD COLUMN action text NOT NULL DEFAULT '';
COMMENT ON COLUMN case_event.action IS 'The step: open, one of rules.cases.ACTIONS, card; empty: from before steps had names.';
CREATE UNIQUE INDEX case_event_one_card ON case_event (case_id, deadline, (facts ->> 'card')) WHERE action = 'card';

ALTER TABLE app_user ADD COLUMN sees_cases text NOT NULL DEFAULT 'all'
    CONSTRAINT app_user_sees_cases CHECK (sees_cases IN ('all', 'assigned') AND (role = 'inspector' OR sees_cases = 'all'));
COMMENT ON COLUMN app_user.sees_cases IS 'An inspector''s cases: all, or assigned (only those that are that person''s).';
