"""What a city's people leave in the database over some months, by the rules of the tables: rows for the pages to read.

Orders, flags and vehicle-days of the audited month stand once more so that they end today, where pages look by default;
about them cases with their steps, queues with reviews, receipts, seals, notices, terminals' counts and a long log. The
hashes of the log's chain are not made: nobody verifies a benchmark's.
"""

from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection, sql

from geo.localtime import FLEET_ZONE
from store.users import add_user

PASSWORD = "benchmark-only"  # noqa: S105 - of a database that ends with the benchmark
INSPECTORS = 12

_COPIED = {
    "vehicle_day": (),
    "trip": ("trip_id",),
    "flag": ("flag_id", "trip_id", "subject_id"),
    "dispatch_order": ("order_no",),
}
"""Table → columns of names, which get a mark in the copy that ends today."""

_ROWS = {
    "case_file": """
        INSERT INTO case_file (vehicle_id, state, assigned_to, opened_at, opened_by, deadline, clock, clock_days,
                               clock_started_at)
        SELECT vehicle_id, state, people[1 + n %% cardinality(people)], at, people[1 + n %% cardinality(people)],
               CASE WHEN waits THEN at + interval '14 days' END, CASE WHEN waits THEN 'decide' END,
               CASE WHEN waits THEN 10 END, CASE WHEN waits THEN at END
        FROM (
            SELECT v.vehicle_id, n, now() - interval '180 days' * (1 - n / 20000.0) AS at, %(inspectors)s::int[] AS people,
                   (ARRAY['closed', 'closed', 'closed', 'closed', 'closed', 'closed', 'explanation_asked', 'confirmed',
                          'dealt_with', 'explained'])[1 + (n * 7) %% 10] AS state
            FROM generate_series(1, 20000) n
            JOIN (SELECT vehicle_id, row_number() OVER (ORDER BY md5(vehicle_id::text)) AS k, count(*) OVER () AS all_of_them
                  FROM vehicle) v ON v.k = 1 + n %% v.all_of_them
        ) each CROSS JOIN LATERAL (SELECT state IN ('explanation_asked', 'explained') AS waits) w
        """,
    "case_flag": """
        INSERT INTO case_flag (case_id, flag_id, open, added_at, added_by)
        SELECT c.case_id, f.flag_id, c.open, c.opened_at, c.opened_by
        FROM case_file c CROSS JOIN LATERAL (
            SELECT flag_id FROM flag f WHERE f.vehicle_id = c.vehicle_id ORDER BY md5(flag_id || c.case_id %% 7) LIMIT 3
        ) f ON CONFLICT DO NOTHING
        """,
    "case_event": """
        INSERT INTO case_event (case_id, at, user_id, from_state, to_state, action, reason, deadline)
        SELECT case_id, opened_at + (number - 1) * interval '20 hours', assigned_to, step[1], step[2], step[3],
               'as the numbers say ' || case_id %% 400, deadline
        FROM case_file CROSS JOIN LATERAL (VALUES
            (1, ARRAY[NULL, 'assigned', 'open']), (2, ARRAY['assigned', 'assigned', 'comment']),
            (3, ARRAY['assigned', 'explanation_asked', 'ask']), (4, ARRAY['explanation_asked', 'explained', 'explain']),
            (5, ARRAY['explained', CASE case_id %% 3 WHEN 0 THEN 'dismissed' ELSE 'confirmed' END,
                      CASE case_id %% 3 WHEN 0 THEN 'dismiss' ELSE 'confirm' END]),
            (6, ARRAY['confirmed', 'dealt_with', 'deal']), (7, ARRAY['dealt_with', 'rectified', 'rectify']),
            (8, ARRAY['rectified', 'closed', 'close'])) AS steps(number, step)
        WHERE (NOT open OR number <= 4) AND opened_at + (number - 1) * interval '20 hours' < now()
        """,
    "review_queue": """
        INSERT INTO review_queue (day, made_at, from_day, through_day, inspectors, per_inspector, sample_share, seed,
                                  candidates, ranked_days, flagged_days, unflagged_days)
        SELECT day::date, day, day::date - 1, day::date - 1, %(people)s, 40, 0.1, 'seed', 3000, 400, 2000, 5000
        FROM generate_series(current_date - 60, current_date, interval '1 day') AS day
        """,
    "review_item": """
        INSERT INTO review_item (day, place, why, vehicle_id, assigned_to, episode, level, points, probability, value,
                                 features)
        SELECT q.day, row_number() OVER (PARTITION BY q.day ORDER BY f.points DESC, f.flag_id), 'ranked', f.vehicle_id,
               (%(inspectors)s::int[])[1 + abs(hashtext(f.flag_id)) %% cardinality(%(inspectors)s::int[])], f.flag_id, f.level,
               f.points, 0.4, 0.5, '{"points": 50}'
        FROM review_queue q CROSS JOIN LATERAL (
            SELECT * FROM flag WHERE day = q.through_day AND subject = 'trip' ORDER BY points DESC, flag_id LIMIT 480
        ) f ON CONFLICT DO NOTHING
        """,
    "review_flag": """
        INSERT INTO review_flag (flag_id, item_id)
        SELECT DISTINCT ON (f.flag_id) f.flag_id, i.item_id
        FROM review_item i JOIN flag f ON f.vehicle_id = i.vehicle_id AND f.day = i.day - 1
        ORDER BY f.flag_id, f.flag_id <> i.episode, i.item_id
        """,
    "review_look": """
        INSERT INTO review_look (item_id, user_id, seen_at)
        SELECT item_id, assigned_to, day + interval '9 hours' FROM review_item WHERE day < current_date
        """,
    "review_outcome": """
        INSERT INTO review_outcome (item_id, outcome, reason, user_id, seen_at, decided_at)
        SELECT item_id, CASE item_id %% 4 WHEN 0 THEN 'suspicious' ELSE 'clean' END, 'as the order says ' || item_id %% 300,
               assigned_to, day + interval '9 hours', day + interval '9 hours 4 minutes'
        FROM review_item WHERE day < current_date AND item_id %% 8 <> 0
        """,
    "refuel": """
        INSERT INTO refuel (receipt_no, vehicle_id, refuelled_at, litres, yuan, odometer_m, station, source)
        SELECT 'R' || vehicle_id || '-' || n, vehicle_id, now() - n * interval '6 days' - vehicle_id * interval '3 minutes',
               30 + (vehicle_id * n) %% 25, 240, 1000000 + 500000 * (40 - n), 'Station ' || vehicle_id %% 60, 'import'
        FROM vehicle CROSS JOIN generate_series(0, 11) n
        """,
    "judged_record": """
        INSERT INTO judged_record (subject, subject_id, vehicle_id, day, start_time, end_time, features)
        SELECT 'refuel', receipt_no || '-' || vehicle_id, vehicle_id, refuelled_at::date, refuelled_at, refuelled_at,
               jsonb_build_object('litres', litres, 'tank_share', litres / 60, 'station_m', 40, 'odometer_gap_m', 120)
        FROM refuel
        UNION ALL
        SELECT 'month', vehicle_id || '-' || to_char(first, 'YYYYMM'), vehicle_id, (first + interval '1 month')::date - 1,
               first, first + interval '1 month',
               jsonb_build_object('distance_m', 1200000, 'unit_median_m', 1100000, 'consumption_ratio', 1.04, 'l_100km', 9.1,
                                  'consumption_z', (vehicle_id %% 61 - 30) / 10.0, 'unit_z', (vehicle_id %% 41 - 20) / 10.0)
        FROM vehicle CROSS JOIN generate_series(date_trunc('month', now()) - interval '2 months', now(), '1 month') AS first
        ON CONFLICT DO NOTHING
        """,
    "vehicle_seal": """
        INSERT INTO vehicle_seal (vehicle_id, sealed_at, odometer_m, bay, key_custodian, reason, unsealed_at,
                                  unsealed_odometer_m, unseal_entered_at)
        SELECT vehicle_id, now() - days, 1000000, 'Yard', 'Duty office', 'Holiday', now() - days + interval '8 days',
               1000000, now()
        FROM vehicle CROSS JOIN unnest(ARRAY[interval '60 days', interval '180 days', interval '300 days']) AS days
        UNION ALL
        SELECT vehicle_id, now() - interval '5 days', 1000000, 'Yard', 'Duty office', 'Holiday', NULL, NULL, NULL
        FROM vehicle WHERE vehicle_id %% 3 = 0
        """,
    "exemption": """
        INSERT INTO exemption (vehicle_id, rule, approved_by, reason, valid)
        SELECT vehicle_id, CASE vehicle_id %% 600 WHEN 0 THEN NULL ELSE 'night-away' END, 'Office', 'Night duty',
               tstzrange(now() - interval '200 days', CASE vehicle_id %% 40 WHEN 0 THEN now() - interval '9 days' END)
        FROM vehicle WHERE vehicle_id %% 20 = 0
        """,
    "order_event": """
        INSERT INTO order_event (order_no, at, user_id, action, from_state, to_state)
        SELECT order_no, starts + shift, %(manager)s, action, from_state, to_state FROM dispatch_order CROSS JOIN (VALUES
            (interval '-1 day', 'apply', NULL, 'applied'), (interval '-20 hours', 'approve', 'applied', 'approved'),
            (interval '0', 'dispatch', 'approved', 'dispatched')) AS steps(shift, action, from_state, to_state)
        WHERE order_no LIKE '%%+'
        """,
    "notice": """
        INSERT INTO notice (source, source_id, kind, number, vehicle_id, happened_at)
        SELECT 'case', event_id, 'case ' || action, case_id::text, vehicle_id, at FROM case_event JOIN case_file USING (case_id)
        WHERE at < now()
        UNION ALL
        SELECT 'order', event_id, 'order ' || action, order_no, vehicle_id, at
        FROM order_event JOIN dispatch_order USING (order_no) WHERE action IN ('apply', 'approve')
        """,
    "notice_to": """
        INSERT INTO notice_to (notice_id, user_id, read_at)
        SELECT notice_id, user_id, CASE WHEN (notice_id + user_id) %% 9 > 0 THEN happened_at + interval '1 hour' END
        FROM notice JOIN app_user ON app_user.user_id %% 5 = notice_id %% 5 WHERE source = 'case' OR notice_id %% 10 = 0
        """,
    "notice_delivery": """
        INSERT INTO notice_delivery (notice_id, channel, user_id, state, attempts)
        SELECT notice_id, 'mail', user_id, 'sent', 1 FROM notice_to
        """,
    "notice_attempt": """
        INSERT INTO notice_attempt (delivery_id, attempt, ok, answer) SELECT delivery_id, 1, true, '250' FROM notice_delivery
        """,
    "terminal_state": """
        INSERT INTO terminal_state (terminal_key, terminal_no, source, place, online, since, heard_at)
        SELECT DISTINCT ON (terminal_key) terminal_key, terminal_no, 'jt808', '10.0.0.1:5000', hashtext(terminal_key) %% 5 <> 0,
               now() - interval '3 hours', now() - interval '10 seconds'
        FROM terminal ON CONFLICT DO NOTHING
        """,
    "terminal_count": """
        INSERT INTO terminal_count (day, terminal_key, received, accepted, duplicate, no_fix, heard_at)
        SELECT day::date, terminal_key, 420, 410, 10, 3, day + interval '20 hours'
        FROM terminal_state CROSS JOIN generate_series(current_date - 89, current_date, interval '1 day') AS day
        ON CONFLICT DO NOTHING
        """,
    "terminal_event": """
        INSERT INTO terminal_event (terminal_key, at, kind, source)
        SELECT terminal_key, now() - n * interval '7 hours',
               CASE WHEN (hashtext(terminal_key) + n) %% 40 = 0 THEN 'gap' WHEN n %% 2 = 0 THEN 'online' ELSE 'offline' END, 'jt808'
        FROM terminal_state CROSS JOIN generate_series(1, 60) n
        """,
    "terminal_command": """
        INSERT INTO terminal_command (terminal_key, kind, asked_at, expires_at, state, answered_at, answer)
        SELECT terminal_key, 'locate', now() - interval '2 days', now() - interval '1 day', 'done', now(), '{"result": 0}'
        FROM terminal_state
        """,
    "quarantine": """
        INSERT INTO quarantine (received_at, source, place, reason, raw)
        SELECT now() - n * interval '30 seconds', 'jt808', '10.0.0.1:5000', 'checksum: expected 12, got 13',
               decode(repeat('7e0200', 20), 'hex')
        FROM generate_series(1, 200000) n
        """,
    "intake_count": """
        INSERT INTO intake_count (hour, source, received, accepted, duplicate)
        SELECT hour, source, 150000, 148000, 2000
        FROM generate_series(date_trunc('hour', now()) - interval '365 days', now(), '1 hour') AS hour
        CROSS JOIN unnest(ARRAY['jt808', 'nmea', 'mqtt', 'import']) AS source ON CONFLICT DO NOTHING
        """,
    "track_purpose": """
        INSERT INTO track_purpose (user_id, vehicle_id, kind, stated_at, expires_at)
        SELECT user_id, vehicle_id, 'management', now(), now() + interval '30 days' FROM app_user CROSS JOIN vehicle
        WHERE name IN ('inspector', 'manager', 'admin')
        """,
    "log_entry": """
        INSERT INTO log_entry (entry_id, at, user_id, kind, action, subject, facts, previous_sha256, sha256)
        SELECT entry_id + n, now() - (400000 - n) * interval '40 seconds', %(inspector)s + n %% %(people)s,
               CASE n %% 20 WHEN 0 THEN 'decision' ELSE 'access' END,
               (ARRAY['vehicle', 'trip', 'case', 'terminal'])[1 + n %% 4], (1 + n %% 8628)::text,
               jsonb_build_object('plate', '粤A' || n %% 8628), repeat('0', 64), md5(n::text) || md5((n + 1)::text)
        FROM log_head CROSS JOIN generate_series(1, 400000) n
        """,
}
"""Table → what fills it, in the order one needs the other."""

FEW = 50
"""With fewer rows a table is not filled yet: what pages write of themselves are a few."""


def add_people(conn: Connection[Any], unit_id: int, top_id: int, known: set[str]) -> None:
    """Who asks for the pages, `head` being the manager of the top unit, and the inspectors whose work the rows are."""
    for name, role, unit in (
        ("inspector", "inspector", None),
        ("manager", "manager", unit_id),
        ("auditor", "auditor", None),
        ("admin", "admin", None),
        ("head", "manager", top_id),
        *((f"inspector {number}", "inspector", None) for number in range(1, INSPECTORS)),
    ):
        if name not in known:
            add_user(conn, name, role, PASSWORD, unit)


def fill(conn: Connection[Any]) -> dict[str, int]:
    """Fill the tables that are not filled yet; rows by table. The connection commits each statement."""
    people = dict(conn.execute("SELECT name, user_id FROM app_user").fetchall())
    inspectors = [number for name, number in people.items() if name.startswith("inspector")]
    given = {
        "inspectors": inspectors,
        "people": len(inspectors),
        "manager": people["manager"],
        "inspector": people["inspector"],
    }
    filled = {name: _to_today(conn, name) for name in _COPIED}
    for name, query in _ROWS.items():
        with conn.transaction():
            if name == "log_entry":
                conn.execute("ALTER TABLE log_entry DISABLE TRIGGER USER")
            if _count(conn, name) < FEW:
                filled[name] = conn.execute(query, given).rowcount
            if name == "log_entry":
                conn.execute("ALTER TABLE log_entry ENABLE TRIGGER USER")
    with conn.transaction():
        conn.execute("ALTER TABLE log_head DISABLE TRIGGER USER")
        conn.execute(
            "UPDATE log_head SET (entry_id, sha256) = (SELECT entry_id, sha256 FROM log_entry ORDER BY 1 DESC LIMIT 1)"
        )
        conn.execute("ALTER TABLE log_head ENABLE TRIGGER USER")
    if any(filled.values()):
        conn.execute("VACUUM (ANALYZE)")
    return {name: rows for name, rows in filled.items() if rows}


def _count(conn: Connection[Any], table: str) -> int:
    row = conn.execute(
        sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT %s) AS first").format(sql.Identifier(table)), (FEW,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def _to_today(conn: Connection[Any], table: str) -> int:
    """The rows of a table once more, so many whole days later that the last of them are of today."""
    last = conn.execute("SELECT max(day) FROM vehicle_day WHERE day < %s", (_today() - timedelta(days=60),)).fetchone()
    assert last is not None
    if last[0] is None or _is_there(conn, table):
        return 0
    later = (_today() - last[0]).days
    columns = conn.execute(
        """
        SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
        """,
        (table,),
    ).fetchall()
    moved = {"date": "{0} + %(days)s", "timestamp with time zone": "{0} + make_interval(days => %(days)s)"}
    values = [
        sql.SQL("CASE {0} WHEN '' THEN '' ELSE {0} || '+' END").format(sql.Identifier(name))
        if name in _COPIED[table]
        else sql.SQL(moved.get(kind, "{0}")).format(sql.Identifier(name))
        for name, kind in columns
    ]
    query = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE {} <= %(last)s").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
        sql.SQL(", ").join(values),
        sql.Identifier(table),
        _day_of(table),
    )
    return conn.execute(query, {"days": later, "last": last[0]}).rowcount


def _is_there(conn: Connection[Any], table: str) -> bool:
    of_today = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} > %s)").format(sql.Identifier(table), _day_of(table))
    return conn.execute(of_today, (_today() - timedelta(days=7),)).fetchone() == (True,)


def _day_of(table: str) -> sql.SQL:
    return sql.SQL("starts::date" if table == "dispatch_order" else "day")


def _today() -> date:
    return datetime.now(FLEET_ZONE).date()
