"""Dispatch orders and exemptions."""

from tests.web.permissions import EVERYBODY, NOT_FOR_THE_MANAGER

MANAGERS = {"manager": 200, "inspector": 403, "auditor": 403, "admin": 200}
TABLE = {
    "/orders": EVERYBODY,
    "/orders?state=applied&vehicle=V1&unit=U1&number=&from_day=&to_day=2026-03-02&page=2": EVERYBODY,
    "/orders?state=lost": dict.fromkeys(EVERYBODY, 400),
    "/orders?to_day=9999-12-31": dict.fromkeys(EVERYBODY, 400),
    "/orders/new": MANAGERS,
    "/orders/new?vehicle=V1": MANAGERS,
    "/orders/{order}": EVERYBODY,
    "/orders/no-such-order": dict.fromkeys(EVERYBODY, 404),
    "/orders/%00": dict.fromkeys(EVERYBODY, 404),
    "/api/orders": EVERYBODY,
    "/api/orders?from=2026-03-01&to=2026-03-31&vehicle=V1&state=closed": EVERYBODY,
    "/api/orders?state=lost": dict.fromkeys(EVERYBODY, 400),
    "/api/orders?from=0001-01-01&to=9999-12-31": dict.fromkeys(EVERYBODY, 400),
    "/exemptions": NOT_FOR_THE_MANAGER,
    "/exemptions?holding=true&page=2": NOT_FOR_THE_MANAGER,
}
POSTS = {
    "/orders/{number:path}/{action}",
    "/api/orders/{number:path}/{action}",
    "/exemptions/end",
}


def names(_city: object) -> dict[str, str]:
    """The order of the city's later trip."""
    return {"order": "D-7"}
