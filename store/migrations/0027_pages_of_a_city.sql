-- What standing flags were raised on, of some days, without reading them.
DROP INDEX flag_day;
CREATE INDEX flag_day ON flag (day) INCLUDE (vehicle_id, rule, level, exemption_id, flag_id, start_time, end_time)
    WHERE withdrawn_at IS NULL;
