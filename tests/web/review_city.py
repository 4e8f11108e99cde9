"""The city with a queue: an episode that waits, one that is dismissed, and two days drawn at random."""

from datetime import datetime, timedelta
from functools import lru_cache

from geo.localtime import FLEET_ZONE, day_number
from store import reviews
from store.database import Database
from store.reviews import ModelRow, QueueRow, RankedItem, SampleItem
from store.users import User
from tests.web.city import DAY, City

TODAY = datetime.now(FLEET_ZONE).date()
MODEL = ModelRow(
    80, 30, "ab" * 32, 1.0, -0.4, 0.2,
    [
        {"name": "points", "mean": 0.4, "sd": 0.2, "coefficient": 0.9, "error": 0.3},
        {"name": "rule private-use-no-order", "mean": 0.3, "sd": 0.46, "coefficient": 0.7, "error": 0.25},
        {"name": "score_off_hours", "mean": 0.2, "sd": 0.3, "coefficient": -0.2, "error": 0.2},
    ],
)  # fmt: skip


def items_of(city: City) -> dict[str, int]:
    """Numbers of the items, made when first asked for: open, sample (of V11), quiet (of V2), done."""
    return _items(city.database)


@lru_cache(maxsize=4)
def _items(database: Database) -> dict[str, int]:
    with database.connection() as conn:
        row = conn.execute("SELECT user_id FROM app_user WHERE name = 'inspector'").fetchone()
        assert row is not None
        inspector = User(row[0], "inspector", "inspector", None)
        ids = dict(conn.execute("SELECT code, vehicle_id FROM vehicle").fetchall())
        flags = dict(conn.execute("SELECT v.code, f.flag_id FROM flag f JOIN vehicle v USING (vehicle_id)").fetchall())
        model = reviews.keep_model(conn, MODEL)
        for back, number in ((1, None), (0, model)):
            day = TODAY - timedelta(days=back)
            code = ("V1", "V2")[back]
            ranked = RankedItem(
                1, ids[code], inspector.user_id, flags[code], "red", 80.0, 0.8, 2.4,
                {"points": 0.8, "rule private-use-no-order": 1.0}, [flags[code]],
            )  # fmt: skip
            sample = [] if back else [
                SampleItem(2, ids["V11"], inspector.user_id, day_number(DAY), "flagged", 0.5),
                SampleItem(3, ids["V2"], None, day_number(DAY) - 9, "unflagged", 0.01),
            ]  # fmt: skip
            queue = QueueRow(day, DAY, DAY, 1, 20, 0.1, "seed", number, 3 - back, 1, 1, 1)
            reviews.keep_queue(conn, queue, [ranked], sample)
        names = {
            why: item
            for item, why in conn.execute(
                """
                SELECT item_id, CASE WHEN day < %s THEN 'done' WHEN place = 1 THEN 'open' WHEN place = 2 THEN 'sample'
                                     ELSE 'quiet' END FROM review_item
                """,
                (TODAY,),
            )
        }
        (decided,) = conn.execute(
            "SELECT outcome FROM review_state WHERE item_id = %s", (names["done"],)
        ).fetchone() or (None,)
        if decided is None:  # a case over its flag decides it too
            reviews.record(conn, names["done"], "clean", "The roster covers it.", inspector)
    return names
