"""Rules, what they would have found, and the page of a flag."""

from tests.web.city import City
from tests.web.permissions import EVERYBODY, NOT_THE_MANAGER

_NOT_THERE = dict.fromkeys(EVERYBODY, 404)
_NO_TRIALS = {"manager": 403, "inspector": 404, "auditor": 404, "admin": 404}
"""The pages of these tests run without files of features: that trials work is tested in test_rules.py."""

TABLE = {
    "/rules": EVERYBODY,
    "/rules/{rule}": EVERYBODY,
    "/rules/no-such-rule": _NOT_THERE,
    "/rules/{rule}?older=99": _NOT_THERE,
    "/rules/{rule}/whatif": _NO_TRIALS,
    "/flags/{flag V1}": EVERYBODY,
    "/flags/{flag V11}": EVERYBODY,
    "/flags/{flag V2}": NOT_THE_MANAGER,
    "/flags/no-such-flag": _NOT_THERE,
    "/api/flags/{flag V1}": EVERYBODY,
    "/api/flags/{flag V2}": NOT_THE_MANAGER,
    "/api/flags/no-such-flag": _NOT_THERE,
}
POSTS: set[str] = set()


def names(city: City) -> dict[str, str]:
    """The flag on each vehicle's evening trip."""
    flags = {f"flag {code}": f"private-use-no-order:{trip}" for code, trip in city.trip_ids.items()}
    return {"rule": "no-card", **flags}
