"""Refuelling and sealed vehicles."""

from tests.web.permissions import EVERYBODY

TABLE = {
    "/fuel": EVERYBODY,
    "/fuel?unit=U2&flagged=true&from_day=&to_day=2026-03-02&month=2026-02": EVERYBODY,
    "/fuel?receipt=no-such-receipt": EVERYBODY,
    "/fuel?month=soon": dict.fromkeys(EVERYBODY, 400),
    "/seals": EVERYBODY,
    "/seals?unit=U11&seal=1": EVERYBODY,
}
POSTS = {"/fuel", "/api/refuels", "/seals", "/seals/unseal"}
