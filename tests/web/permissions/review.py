"""The review queue, the accuracy of rules, the watch over reviews."""

from typing import cast

from tests.web.city import City
from tests.web.permissions import EVERYBODY, NOT_FOR_THE_MANAGER, OFFICE
from tests.web.review_city import items_of

_NO_ITEM = {"manager": 403, "inspector": 404, "auditor": 404, "admin": 404}
TABLE = {
    "/queue": NOT_FOR_THE_MANAGER,
    "/queue?whose=all&page=2": NOT_FOR_THE_MANAGER,
    "/queue?whose=theirs": {**NOT_FOR_THE_MANAGER, "inspector": 400, "auditor": 400, "admin": 400},
    "/queue/{item open}": NOT_FOR_THE_MANAGER,
    "/queue/{item sample}": NOT_FOR_THE_MANAGER,
    "/queue/999999": _NO_ITEM,
    "/queue/99999999999": _NO_ITEM,
    "/api/queue": NOT_FOR_THE_MANAGER,
    "/api/queue/{item done}": NOT_FOR_THE_MANAGER,
    "/api/queue/999999": _NO_ITEM,
    "/accuracy": NOT_FOR_THE_MANAGER,
    "/accuracy?from_day=2026-01-01": NOT_FOR_THE_MANAGER,
    "/accuracy?from_day=9999-01-01": {**NOT_FOR_THE_MANAGER, "inspector": 400, "auditor": 400, "admin": 400},
    "/api/accuracy": NOT_FOR_THE_MANAGER,
    "/watch": OFFICE,
    "/watch?days=7": OFFICE,
    "/watch?days=0": dict.fromkeys(EVERYBODY, 400),
}
POSTS = {"/queue/{item_id}/outcome", "/api/queue/{item_id}/outcome"}


def names(city: object) -> dict[str, str]:
    """Numbers of the items of the city's queue."""
    return {f"item {name}": str(number) for name, number in items_of(cast("City", city)).items()}
