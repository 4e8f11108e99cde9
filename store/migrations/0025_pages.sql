-- What the pages of a city ask for: each index is the order or the few rows of one list.

-- Flags that stand: the gravest first, the newest, those of a rule; and how many of some days without reading them.
CREATE INDEX flag_gravest ON flag (array_position(ARRAY['red', 'yellow', 'prompt'], level), start_time DESC, flag_id)
    WHERE withdrawn_at IS NULL;
CREATE INDEX flag_newest ON flag (start_time DESC) WHERE withdrawn_at IS NULL;
CREATE INDEX flag_rule ON flag (rule, vehicle_id) WHERE withdrawn_at IS NULL;
DROP INDEX flag_day;
CREATE INDEX flag_day ON flag (day) INCLUDE (vehicle_id, rule, level, exemption_id) WHERE withdrawn_at IS NULL;

-- Orders: the latest, and how many meet a time.
CREATE INDEX dispatch_order_starts ON dispatch_order (starts DESC, order_no);
DROP INDEX dispatch_order_ends;
CREATE INDEX dispatch_order_ends ON dispatch_order (ends) INCLUDE (starts, vehicle_id, state);

-- Steps of the last hour are asked for every ten seconds; decisions by case, and since a day.
CREATE INDEX case_event_at ON case_event (at);
CREATE INDEX case_event_decision ON case_event (case_id, event_id DESC)
    WHERE to_state IN ('confirmed', 'dismissed') AND from_state IS DISTINCT FROM to_state;
CREATE INDEX order_event_at ON order_event (at);
CREATE INDEX notice_happened ON notice (happened_at);
CREATE INDEX notice_delivery_newest ON notice_delivery ((state = 'sent'), delivery_id DESC);

-- Who looked at what, and whether before deciding; what the log says of a plate.
CREATE INDEX log_entry_look ON log_entry (subject, action, user_id, at) WHERE kind = 'access';
CREATE INDEX log_entry_plate ON log_entry ((facts ->> 'plate'), entry_id) WHERE (facts ->> 'plate') IS NOT NULL;
