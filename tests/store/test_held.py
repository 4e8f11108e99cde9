"""What was taken out of quarantine after all is kept there, but counted and listed as refused no longer."""

from geo.localtime import to_datetime
from store.database import Database
from store.held import mark_released
from store.intake import Refused, add_quarantine
from store.status import status
from store.views import quarantine
from tests.store.rows import START, count


def test_a_released_row_stays_but_is_no_longer_counted_or_listed(database: Database) -> None:
    with database.connection() as conn:
        add_quarantine(
            conn, [Refused(START, "jt808", "", reason, b"x") for reason in ("checksum", "unknown terminal 1")]
        )
        ((number,),) = conn.execute("SELECT quarantine_id FROM quarantine WHERE reason <> 'checksum'").fetchall()
        mark_released(conn, [number])
        rows, found = quarantine(conn, to_datetime(START))
        assert ([row.reason for row in rows], found) == (["checksum"], 1)
        assert status(conn)["quarantined"] == 1
        assert count(conn, "quarantine") == 2
