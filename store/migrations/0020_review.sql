-- What inspectors review on a day, what it came to, and the model that ranked it.

CREATE TABLE review_model (
    model_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fitted_at       timestamptz NOT NULL DEFAULT now(),
    verdicts        int NOT NULL CHECK (verdicts > 0),
    misused         int NOT NULL CHECK (misused BETWEEN 0 AND verdicts),
    verdicts_sha256 text NOT NULL UNIQUE CHECK (verdicts_sha256 ~ '^[0-9a-f]{64}$'),
    penalty         double precision NOT NULL,
    intercept       double precision NOT NULL,
    intercept_error double precision NOT NULL,
    terms           jsonb NOT NULL CHECK (jsonb_typeof(terms) = 'array')
);
COMMENT ON TABLE review_model IS 'Logistic regressions of decided episodes, as queues were ranked by them. Append-only.';
COMMENT ON COLUMN review_model.model_id IS 'Our number of the model.';
COMMENT ON COLUMN review_model.fitted_at IS 'When it was fitted.';
COMMENT ON COLUMN review_model.verdicts IS 'Decided episodes it was fitted to.';
COMMENT ON COLUMN review_model.misused IS 'Of them: with misuse.';
COMMENT ON COLUMN review_model.verdicts_sha256 IS 'SHA-256 of these episodes and what was decided of each (rules.model).';
COMMENT ON COLUMN review_model.penalty IS 'Strength of the L2 penalty.';
COMMENT ON COLUMN review_model.intercept IS 'Log odds of misuse where every feature is at its mean.';
COMMENT ON COLUMN review_model.intercept_error IS 'Its standard error.';
COMMENT ON COLUMN review_model.terms IS 'Each feature: name, mean, sd, coefficient per sd, error.';
CREATE TRIGGER review_model_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_model
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE review_queue (
    day            date PRIMARY KEY,
    made_at        timestamptz NOT NULL DEFAULT now(),
    from_day       date NOT NULL,
    through_day    date NOT NULL,
    inspectors     int NOT NULL CHECK (inspectors >= 0),
    per_inspector  int NOT NULL CHECK (per_inspector > 0),
    sample_share   double precision NOT NULL CHECK (sample_share BETWEEN 0 AND 1),
    seed           text NOT NULL,
    model_id       int REFERENCES review_model,
    candidates     int NOT NULL CHECK (candidates >= 0),
    ranked_days    int NOT NULL CHECK (ranked_days >= 0),
    flagged_days   int NOT NULL CHECK (flagged_days >= 0),
    unflagged_days int NOT NULL CHECK (unflagged_days >= 0)
);
COMMENT ON TABLE review_queue IS 'The queue of each day: what it was made of, so that it can be made again. Append-only.';
COMMENT ON COLUMN review_queue.day IS 'Local day on which it is worked through.';
COMMENT ON COLUMN review_queue.made_at IS 'When it was made.';
COMMENT ON COLUMN review_queue.from_day IS 'First local day whose vehicle-days its sample was drawn from.';
COMMENT ON COLUMN review_queue.through_day IS 'Last such day, and the last whose flags it holds.';
COMMENT ON COLUMN review_queue.inspectors IS 'How many inspectors there were.';
COMMENT ON COLUMN review_queue.per_inspector IS 'Reviews of each, as set.';
COMMENT ON COLUMN review_queue.sample_share IS 'Share drawn at random, as set.';
COMMENT ON COLUMN review_queue.seed IS 'What the draw was seeded with.';
COMMENT ON COLUMN review_queue.model_id IS 'The model it was ranked by; NULL: by points.';
COMMENT ON COLUMN review_queue.candidates IS 'Episodes that waited for a review.';
COMMENT ON COLUMN review_queue.ranked_days IS 'Vehicle-days of its time that are in the ranked part of a queue, or in a case.';
COMMENT ON COLUMN review_queue.flagged_days IS 'Other vehicle-days of its time with flags.';
COMMENT ON COLUMN review_queue.unflagged_days IS 'Other vehicle-days of its time with trips, and without flags.';
CREATE TRIGGER review_queue_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_queue
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE review_item (
    item_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day         date NOT NULL REFERENCES review_queue,
    place       int NOT NULL CHECK (place > 0),
    why         text NOT NULL CONSTRAINT review_item_why CHECK (why IN ('ranked', 'sample')),
    vehicle_id  int NOT NULL REFERENCES vehicle,
    assigned_to int REFERENCES app_user,
    episode     text UNIQUE,
    level       text CONSTRAINT review_item_level CHECK (level IN ('prompt', 'yellow', 'red')),
    points      double precision,
    probability double precision CHECK (probability BETWEEN 0 AND 1),
    value       double precision,
    features    jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(features) = 'object'),
    vehicle_day date,
    stratum     text CONSTRAINT review_item_stratum CHECK (stratum IN ('flagged', 'unflagged')),
    inclusion   double precision CHECK (inclusion > 0 AND inclusion <= 1),
    UNIQUE (day, place),
    UNIQUE (vehicle_id, vehicle_day),
    CONSTRAINT review_item_whole CHECK (CASE why
        WHEN 'ranked' THEN num_nulls(episode, level, points, probability, value) = 0 AND num_nonnulls(vehicle_day, stratum, inclusion) = 0
        ELSE num_nonnulls(episode, level, points, probability, value) = 0 AND num_nulls(vehicle_day, stratum, inclusion) = 0 END)
);
COMMENT ON TABLE review_item IS 'What is to be reviewed: an episode of flags, or a vehicle-day drawn at random. Append-only.';
COMMENT ON COLUMN review_item.item_id IS 'Our number of the item.';
COMMENT ON COLUMN review_item.day IS 'The queue it is in.';
COMMENT ON COLUMN review_item.place IS 'Its place there, 1 first; the sample comes after what is ranked.';
COMMENT ON COLUMN review_item.why IS 'ranked: most worth a review; sample: drawn at random, so that what is missed can be estimated.';
COMMENT ON COLUMN review_item.vehicle_id IS 'The vehicle.';
COMMENT ON COLUMN review_item.assigned_to IS 'The inspector it is for; NULL: there was none.';
COMMENT ON COLUMN review_item.episode IS 'Name of the episode, its flag that was found first; NULL: sample.';
COMMENT ON COLUMN review_item.level IS 'The gravest of its flags, when the queue was made; NULL: sample.';
COMMENT ON COLUMN review_item.points IS 'Combined points, 0 to 100; NULL: sample.';
COMMENT ON COLUMN review_item.probability IS 'Probability of misuse, by the queue''s model or by points; NULL: sample.';
COMMENT ON COLUMN review_item.value IS 'Probability times weight of the level, which it is ranked by; NULL: sample.';
COMMENT ON COLUMN review_item.features IS 'What the model was given, by name; empty: sample.';
COMMENT ON COLUMN review_item.vehicle_day IS 'Local day of the vehicle that was drawn; NULL: ranked.';
COMMENT ON COLUMN review_item.stratum IS 'Whether that day had flags; NULL: ranked.';
COMMENT ON COLUMN review_item.inclusion IS 'Probability with which each vehicle-day of the stratum was drawn; NULL: ranked.';
CREATE INDEX review_item_assigned ON review_item (assigned_to, day);
CREATE TRIGGER review_item_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_item
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE review_flag (
    flag_id  text PRIMARY KEY,
    item_id  int NOT NULL REFERENCES review_item,
    added_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE review_flag IS 'The flags of each item: of the episode, and what joined it before it was decided; of a vehicle-day drawn at random those it had when it was decided. Append-only.';
COMMENT ON COLUMN review_flag.flag_id IS 'The flag; stays when the flag is dropped after its time.';
COMMENT ON COLUMN review_flag.item_id IS 'The item.';
COMMENT ON COLUMN review_flag.added_at IS 'When it came to it.';
CREATE INDEX review_flag_item ON review_flag (item_id);
CREATE TRIGGER review_flag_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_flag
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE review_look (
    item_id int NOT NULL REFERENCES review_item,
    user_id int NOT NULL REFERENCES app_user,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (item_id, user_id)
);
COMMENT ON TABLE review_look IS 'When a person opened an item first; every look is in log_entry. Append-only.';
COMMENT ON COLUMN review_look.item_id IS 'The item.';
COMMENT ON COLUMN review_look.user_id IS 'Who.';
COMMENT ON COLUMN review_look.seen_at IS 'When first.';
CREATE TRIGGER review_look_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_look
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE review_outcome (
    item_id    int PRIMARY KEY REFERENCES review_item,
    outcome    text NOT NULL CONSTRAINT review_outcome_outcome CHECK (outcome IN ('clean', 'suspicious', 'misuse', 'case')),
    reason     text NOT NULL DEFAULT '',
    case_id    int REFERENCES case_file,
    user_id    int NOT NULL REFERENCES app_user,
    seen_at    timestamptz,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT review_outcome_reasoned CHECK (outcome IN ('case', 'clean') OR reason <> ''),
    CONSTRAINT review_outcome_case CHECK (outcome <> 'case' OR case_id IS NOT NULL)
);
COMMENT ON TABLE review_outcome IS 'What the review of an item came to, once. Append-only: what changes later is a case''s.';
COMMENT ON COLUMN review_outcome.item_id IS 'The item.';
COMMENT ON COLUMN review_outcome.outcome IS 'clean: nothing, or with an innocent cause; suspicious: cannot be told; misuse: of a day drawn at random; case: a case was opened.';
COMMENT ON COLUMN review_outcome.reason IS 'Why, in words; empty only where a case tells, or nothing was found on a day drawn at random.';
COMMENT ON COLUMN review_outcome.case_id IS 'The case that was opened, or dismissed with it; NULL: none.';
COMMENT ON COLUMN review_outcome.user_id IS 'Who decided.';
COMMENT ON COLUMN review_outcome.seen_at IS 'When that person opened it first; NULL: never.';
COMMENT ON COLUMN review_outcome.decided_at IS 'When it was decided.';
CREATE INDEX review_outcome_decided ON review_outcome (decided_at);
CREATE TRIGGER review_outcome_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE VIEW review_item_flag AS
SELECT item_id, flag_id FROM review_flag
UNION
SELECT i.item_id, f.flag_id FROM review_item i JOIN flag f ON f.vehicle_id = i.vehicle_id AND f.day = i.vehicle_day
WHERE i.why = 'sample' AND f.withdrawn_at IS NULL AND f.exemption_id IS NULL;
COMMENT ON VIEW review_item_flag IS 'The flags that an item is about: of an episode its own, of a vehicle-day drawn at random all that stand.';
COMMENT ON COLUMN review_item_flag.item_id IS 'The item.';
COMMENT ON COLUMN review_item_flag.flag_id IS 'The flag.';

CREATE VIEW review_state AS
SELECT i.item_id, coalesce(o.outcome, CASE WHEN c.case_id IS NOT NULL THEN 'case' END) AS outcome,
       coalesce(o.reason, '') AS reason, coalesce(o.case_id, c.case_id) AS case_id,
       coalesce(o.user_id, c.added_by) AS user_id, coalesce(o.decided_at, c.added_at) AS decided_at,
       coalesce(o.seen_at, l.seen_at) AS seen_at
FROM review_item i LEFT JOIN review_outcome o USING (item_id)
LEFT JOIN LATERAL (
    SELECT g.case_id, g.added_by, g.added_at FROM review_item_flag f JOIN case_flag g USING (flag_id)
    WHERE f.item_id = i.item_id AND o.item_id IS NULL ORDER BY g.added_at, g.case_id LIMIT 1
) c ON true
LEFT JOIN review_look l ON l.item_id = i.item_id AND l.user_id = c.added_by;
COMMENT ON VIEW review_state IS 'How each item stands: decided by a review, or by a case that was opened over one of its flags.';
COMMENT ON COLUMN review_state.item_id IS 'The item.';
COMMENT ON COLUMN review_state.outcome IS 'As in review_outcome; case also where one was opened over its flags elsewhere; NULL: it waits.';
COMMENT ON COLUMN review_state.reason IS 'Why, in words; empty: none was given.';
COMMENT ON COLUMN review_state.case_id IS 'The case; NULL: none.';
COMMENT ON COLUMN review_state.user_id IS 'Who decided; NULL: it waits, or an audit opened the case.';
COMMENT ON COLUMN review_state.decided_at IS 'When; NULL: it waits.';
COMMENT ON COLUMN review_state.seen_at IS 'When that person opened it first; NULL: never.';
