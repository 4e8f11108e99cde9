"""Terminals of the small city: one that talks, one of another unit, one that speaks NMEA, and one nobody knows."""

import hashlib
from datetime import datetime
from typing import Any

from psycopg import Connection

from geo.localtime import FLEET_ZONE, SECOND_US, to_us
from store.commands import ask
from store.fleet import Terminal, TerminalType, upsert_terminal_types, upsert_terminals
from store.media import Media, add_media
from store.terminal_events import Event, add_events

T1, T2, T11, STRANGER = "013900000001", "013900000002", "N-11", "013900000099"
EVIL = "<script>alert(2)</script>"
PICTURE = b"\xff\xd8\xff\xe0 a picture"


def add_terminals(conn: Connection[Any]) -> None:
    """Bind terminals to the city's vehicles, and let them speak."""
    now = to_us(datetime.now(FLEET_ZONE)) - 600 * SECOND_US
    upsert_terminal_types(conn, [TerminalType("bsj", "70105", "BSJ-A6", "gcj02", "bsj")])
    upsert_terminals(
        conn,
        [
            Terminal(T1, "V1", "jt808", terminal_type="bsj"),
            Terminal(T2, "V2", "jt808"),
            Terminal(T11, "V11", "nmea"),
        ],
    )
    place = "10.20.30.40:51000"
    registered = {"edition": 2013, "maker": "70105", "model": "BSJ-A6", "terminal_id": "A600001", "plate": "粤A10001"}
    add_events(
        conn,
        [
            Event(T1, now, "online", "jt808", place, {}),
            Event(T1, now, "registered", "jt808", place, registered),
            Event(T1, now + 1, "authenticated", "jt808", place, {"code": "5ec2e7c0de", "imei": "860000000000001"}),
            Event(
                T1, now + 2, "parameters", "jt808", place, {"parameters": {"interval_s": 20, "dial_password": "hush"}}
            ),
            Event(T1, now + 3, "gap", "jt808", place, {"first_sequence": 117, "count": 3}),
            Event(T1, now + 4, "wrong_code", "jt808", "10.9.9.9:4000", {}),
            Event(T2, now, "online", "jt808", place, {}),
            Event(T2, now + SECOND_US, "offline", "jt808", place, {"why": EVIL}),
            Event(STRANGER, now, "registered", "jt808", place, {"plate": EVIL, "maker": "70105"}),
            Event(STRANGER, now, "unknown", "jt808", place, {}),
        ],
        receiver=1,
    )
    conn.execute(
        """
        INSERT INTO terminal_count (day, terminal_key, received, accepted, duplicate, quarantined, no_fix, late, heard_at)
        SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - d, '13900000001', 8640 - d, 8600 - d, 30, 10, 12, 40, now()
        FROM generate_series(0, 9) d
        """
    )
    asked = ask(conn, T1, "track", {"interval_s": 5, "for_s": 60}, asked_by=None, wait_s=60)
    conn.execute(
        "UPDATE terminal_command SET state = 'done', sent_at = now(), answered_at = now(), answer = %s "
        "WHERE command_id = %s",
        ('{"result": "done"}', asked),
    )
    facts = {"type": "picture", "format": "jpeg", "event": "platform", "channel": 1}
    digest = hashlib.sha256(PICTURE).hexdigest()
    add_media(
        conn,
        [
            Media(T1, now, 7, facts, "13900000001/7.jpg", len(PICTURE), digest),
            Media(T1, now, 8, {"format": "html"}, "", 5, digest),
            Media(T1, now, 9, {"format": "html"}, "../outside.jpg", 5, digest),
            Media(T1, now, 10, {"format": "html"}, "13900000001/10.html", 5, digest),
        ],
    )
