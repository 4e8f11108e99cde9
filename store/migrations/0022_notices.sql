-- What people are told: in their inbox, by mail, and to another system; each delivery with its attempts.

ALTER TABLE app_user ADD COLUMN email text NOT NULL DEFAULT ''
    CONSTRAINT app_user_email CHECK (email = '' OR email ~ '^[^@[:space:]<>]+@[^@[:space:]<>]+$');
COMMENT ON COLUMN app_user.email IS 'Address for notices; empty: none are mailed.';

CREATE TABLE notice (
    notice_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text NOT NULL CONSTRAINT notice_source CHECK (source IN ('case', 'order', 'unlock', 'unlock answer')),
    source_id  bigint NOT NULL,
    kind       text NOT NULL CHECK (kind <> ''),
    number     text NOT NULL,
    vehicle_id int NOT NULL REFERENCES vehicle,
    happened_at timestamptz NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, source_id)
);
COMMENT ON TABLE notice IS 'Something that happened and that somebody is told of; made once for each step of a case, an order, a request to unlock.';
COMMENT ON COLUMN notice.notice_id IS 'Our number of it.';
COMMENT ON COLUMN notice.source IS 'Where it happened: case (case_event), order (order_event), unlock (track_unlock), unlock answer (track_unlock_answer).';
COMMENT ON COLUMN notice.source_id IS 'Number of the row there.';
COMMENT ON COLUMN notice.kind IS 'What happened, as in rules.notices.KINDS.';
COMMENT ON COLUMN notice.number IS 'Number of the case, order or request.';
COMMENT ON COLUMN notice.vehicle_id IS 'The vehicle it is about.';
COMMENT ON COLUMN notice.happened_at IS 'When it happened.';
COMMENT ON COLUMN notice.made_at IS 'When the notice was made.';

CREATE TABLE notice_to (
    notice_id bigint NOT NULL REFERENCES notice,
    user_id   int NOT NULL REFERENCES app_user,
    read_at   timestamptz,
    PRIMARY KEY (user_id, notice_id)
);
COMMENT ON TABLE notice_to IS 'Whom a notice is for.';
COMMENT ON COLUMN notice_to.notice_id IS 'The notice.';
COMMENT ON COLUMN notice_to.user_id IS 'The person.';
COMMENT ON COLUMN notice_to.read_at IS 'When it was marked as read; NULL: not yet.';
CREATE INDEX notice_to_notice ON notice_to (notice_id);
CREATE INDEX notice_to_unread ON notice_to (user_id) WHERE read_at IS NULL;

CREATE TABLE notice_delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notice_id   bigint NOT NULL REFERENCES notice,
    channel     text NOT NULL CONSTRAINT notice_delivery_channel CHECK (channel IN ('mail', 'webhook')),
    user_id     int REFERENCES app_user,
    state       text NOT NULL DEFAULT 'waiting' CONSTRAINT notice_delivery_state CHECK (state IN ('waiting', 'sent', 'given up')),
    attempts    int NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notice_delivery_to CHECK ((channel = 'mail') = (user_id IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (notice_id, channel, user_id)
);
COMMENT ON TABLE notice_delivery IS 'What leaves the house: a mail to a person, or a message to another system.';
COMMENT ON COLUMN notice_delivery.delivery_id IS 'Our number of it; a receiver knows a message that comes twice by it.';
COMMENT ON COLUMN notice_delivery.notice_id IS 'The notice.';
COMMENT ON COLUMN notice_delivery.channel IS 'mail, or webhook.';
COMMENT ON COLUMN notice_delivery.user_id IS 'Whom the mail is for; NULL: it is a message.';
COMMENT ON COLUMN notice_delivery.state IS 'waiting, sent, or given up after the last attempt.';
COMMENT ON COLUMN notice_delivery.attempts IS 'Attempts so far.';
COMMENT ON COLUMN notice_delivery.next_at IS 'When it is tried next, while it waits.';
CREATE INDEX notice_delivery_due ON notice_delivery (next_at) WHERE state = 'waiting';

CREATE TABLE notice_attempt (
    delivery_id bigint NOT NULL REFERENCES notice_delivery,
    attempt     int NOT NULL CHECK (attempt > 0),
    at          timestamptz NOT NULL DEFAULT now(),
    ok          boolean NOT NULL,
    answer      text NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);
COMMENT ON TABLE notice_attempt IS 'Each attempt to deliver, and what the other side said. Append-only.';
COMMENT ON COLUMN notice_attempt.delivery_id IS 'The delivery.';
COMMENT ON COLUMN notice_attempt.attempt IS '1, 2, 3, …';
COMMENT ON COLUMN notice_attempt.at IS 'When.';
COMMENT ON COLUMN notice_attempt.ok IS 'Whether it was taken.';
COMMENT ON COLUMN notice_attempt.answer IS 'The answer of the other side, or what went wrong; without secrets.';
CREATE TRIGGER notice_attempt_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
