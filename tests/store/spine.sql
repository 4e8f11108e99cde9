-- Rows for every table of the first schema (0001), as a city that began with it would have them.
INSERT INTO zone (code, kind, name_zh, name_en, geometry, valid_from) VALUES
    ('440103', 'district', '荔湾区', 'Liwan', '{"type": "Polygon", "coordinates": [[[113.1, 23], [113.2, 23], [113.2, 23.1], [113.1, 23]]]}', NULL),
    ('B1', 'base', '机关大院', '', '{"type": "Polygon", "coordinates": [[[113.15, 23], [113.16, 23], [113.16, 23.1], [113.15, 23]]]}', '2026-01-01 00:00+08');
INSERT INTO duty_calendar VALUES ('office', '机关作息');
INSERT INTO duty_day VALUES ('office', '2026-03-02', 'workday', ''), ('office', '2026-03-03', 'holiday', '节');
INSERT INTO duty_shift VALUES ('office', '2026-03-02', '2026-03-02 08:30+08', '2026-03-02 18:00+08');
INSERT INTO unit (code, name_zh, area_zone_id, duty_calendar) VALUES ('U1', '市第一局', 1, 'office');
INSERT INTO unit (code, name_zh, parent_id) VALUES ('U11', '第一局办公室', 1);
INSERT INTO vehicle (code, plate, unit_id, base_zone_id, baseline_km_month, baseline_source) VALUES
    ('V1', '粤A10001', 1, 2, 1500, '2025'), ('V2', '粤A10002', 2, NULL, NULL, '');
INSERT INTO terminal (terminal_no, vehicle_id, protocol, datum, auth_code, registered_at) VALUES
    ('013900000001', 1, 'jt808', 'wgs84', 'code', '2026-03-01 09:00+08'), ('N-2', 2, 'nmea', 'gcj02', '', NULL);
INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, driver_card, purpose) VALUES
    ('D-1', 1, '2026-03-02 09:00+08', '2026-03-02 12:00+08', 'C9', '送文件'),
    ('D-2', 1, '2026-03-02 14:00+08', '2026-03-02 15:00+08', '', '');
INSERT INTO driver_swipe VALUES (1, '2026-03-02 08:55+08', 'C9', true), (1, '2026-03-02 12:05+08', 'C9', false);
INSERT INTO position
SELECT 1 + n % 2, timestamptz '2026-03-02 09:00+08' + n * interval '30 seconds', 0, 231000000 + n, 1131000000 + n, 11.5, 60,
    1000 + n, 40, 20, 11, 3, timestamptz '2026-03-02 09:00:01+08' + n * interval '30 seconds'
FROM generate_series(1, 200) n;
INSERT INTO position SELECT vehicle_id, fix_time, 1, lat_e7 + 5, lon_e7, speed_mps, course_deg, odometer_m, fuel_l, altitude_m,
    satellites, status, received_at FROM position WHERE lat_e7 % 50 = 0;
INSERT INTO position_note SELECT vehicle_id, fix_time, variant, '{"alarms": ["speeding"]}' FROM position WHERE lat_e7 % 40 = 0;
INSERT INTO latest VALUES (1, '2026-03-02 10:39:30+08', 231000198, 1131000198, 11.5, 60, 3, '2026-03-02 10:39:31+08');
INSERT INTO quarantine (received_at, source, place, reason, raw) VALUES
    ('2026-03-02 09:10+08', 'jt808', '10.0.0.9:5000', 'checksum: expected 0x3f, got 0x3e', '\x7e02007e'),
    ('2026-03-02 09:11+08', 'import', 'a.csv:7', 'lat: expected −90 to 90, got 230', 'V1,2026');
INSERT INTO intake_count VALUES ('2026-03-02 09:00+08', 'jt808', 204, 200, 3, 1), ('2026-03-02 09:00+08', 'import', 1, 0, 0, 1);
INSERT INTO open_day VALUES (1, '2026-03-03', 4), (2, '2026-03-03', 1);
INSERT INTO stale_day VALUES (1, '2026-03-02'), (2, '2026-03-02');
INSERT INTO sealed_part VALUES ('2026-03-02', 0, 1, 1, 200, 'positions/day=2026-03-02/part-00000-v1.parquet');
INSERT INTO archive_head (sequence, sha256) VALUES (1, repeat('a', 64));
INSERT INTO trip (trip_id, vehicle_id, day, start_time, end_time, start_lat, start_lon, end_lat, end_lon, distance_m,
    distance_low_m, distance_high_m, duration_s, moving_s, off_hours_s, off_hours_m, out_of_area_s, out_of_area_m, private_score,
    features) VALUES ('1-1772413200', 1, '2026-03-02', '2026-03-02 09:00+08', '2026-03-02 10:40+08', 23.1, 113.1, 23.2, 113.2,
    12345, 12000, 12700, 6000, 5000, 0, 0, 0, 0, 0, '{"driver_card": "C9"}');
INSERT INTO stop VALUES (1, '2026-03-02', '2026-03-02 10:40+08', '2026-03-02 14:00+08', 23.2, 113.2, 'stop', '机关大院'),
    (1, '2026-03-02', '2026-03-02 14:00+08', '2026-03-02 14:30+08', 23.2, 113.2, 'gap', '');
INSERT INTO vehicle_day VALUES (1, '2026-03-02', 100, 2, 1, 12345, 12000, 12700, NULL, 5000, 0, 0);
INSERT INTO flag (flag_id, rule, rule_version, level, trip_id, vehicle_id, day, start_time, end_time, points, reason_zh, reason_en,
    numbers, withdrawn_at) VALUES
    ('r:1-1772413200', 'r', 1, 'red', '1-1772413200', 1, '2026-03-02', '2026-03-02 09:00+08', '2026-03-02 10:40+08', 80, '因', 'why',
    '[]', NULL),
    ('s:1-1772413200', 's', 2, 'prompt', '1-1772413200', 1, '2026-03-02', '2026-03-02 09:00+08', '2026-03-02 10:40+08', 10, '因', 'why',
    '[{"feature": "x"}]', '2026-03-03 09:00+08');
INSERT INTO app_user (name, role, unit_id, password_hash) VALUES ('wang', 'manager', 1, '$argon2id$'), ('li', 'admin', NULL, '$argon2id$');
INSERT INTO web_session VALUES ('\xdeadbeef', 1, '2026-03-02 08:00+08', '2026-03-02 20:00+08');
INSERT INTO access_log (at, user_id, action, subject) VALUES
    ('2026-03-02 09:00+08', 1, 'vehicle', '1'), ('2026-03-02 09:01+08', 1, 'trip', '1-1772413200'),
    ('2026-03-02 09:00:30+08', 2, 'terminal', '13900000001'), ('2026-03-02 09:02+08', 2, 'terminal media', '13900000001 1'),
    ('2026-03-02 09:03+08', 2, 'terminal locate', '13900000001'), ('2026-03-02 09:04+08', 2, 'terminal approved', '13900000001 V1'),
    ('2026-03-02 09:05+08', 2, 'calendar edited', 'office 2026-03-02 workday 08:30-18:00'),
    ('2026-03-02 09:06+08', 2, 'terminal set_parameters', '13900000001'), ('2026-03-02 09:07+08', 2, 'price edited', '2026-01-01: removed');
