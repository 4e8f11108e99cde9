"""The list of cases, one case, its files."""

from store.users import User
from tests.web.case_city import LIMITS
from tests.web.city import City
from tests.web.permissions import EVERYBODY, NOBODY, NOT_THE_MANAGER
from web.case_api import now_us
from web.case_steps import open_case

_NOTHING = {**NOBODY}  # asked for without signing in it leads to the form, as everything below /cases
TABLE = {
    "/cases": EVERYBODY,
    "/cases?state=&unit=U11&inspector=inspector&overdue=true&from_day=&to_day=2026-03-02": EVERYBODY,
    "/cases?state=lost": dict.fromkeys(EVERYBODY, 400),
    "/cases/{case V1}": EVERYBODY,
    "/cases/{case V2}": NOT_THE_MANAGER,
    "/cases/999999": _NOTHING,
    "/cases/V1": _NOTHING,
    "/cases/{case V1}/files/999999": _NOTHING,
    "/api/cases": EVERYBODY,
    "/api/cases?state=lost": dict.fromkeys(EVERYBODY, 400),
    "/api/cases/{case V1}": EVERYBODY,
    "/api/cases/{case V2}": NOT_THE_MANAGER,
    "/api/cases/999999": _NOTHING,
}
POSTS = {
    "/cases/{case_id}/files",
    "/cases/{case_id}/{action}",
    "/api/cases/{case_id}/files",
    "/api/cases/{case_id}/{action}",
}
_opened: dict[int, dict[str, str]] = {}


def names(city: City) -> dict[str, str]:
    """A case over the flag of V1, and one over that of V2, opened once for a city."""
    if id(city) not in _opened:
        with city.database.connection() as conn:
            row = conn.execute("SELECT user_id FROM app_user WHERE name = 'inspector'").fetchone()
            assert row is not None
            user = User(row[0], "inspector", "inspector", None)
            flags = {code: f"private-use-no-order:{city.trip_ids[code]}" for code in ("V1", "V2")}
            known = dict(conn.execute("SELECT flag_id, case_id FROM case_flag").fetchall())
            _opened[id(city)] = {
                f"case {code}": str(known.get(flag) or open_case(conn, user, [flag], LIMITS, now_us()))
                for code, flag in flags.items()
            }
    return _opened[id(city)]
