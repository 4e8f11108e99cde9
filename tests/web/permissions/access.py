"""Purposes, and unlocking by two persons."""

from tests.web.permissions import NOT_FOR_THE_MANAGER

TABLE = {"/unlocks": NOT_FOR_THE_MANAGER}
POSTS = {
    "/vehicles/{vehicle_id}/purpose",
    "/vehicles/{vehicle_id}/unlock",
    "/api/vehicles/{vehicle_id}/purpose",
    "/unlocks/{unlock_id}",
}
