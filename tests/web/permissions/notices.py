"""The inbox, and what left the house."""

from tests.web.permissions import ADMIN, EVERYBODY

TABLE = {"/inbox": EVERYBODY, "/api/inbox": EVERYBODY, "/inbox/deliveries": ADMIN}
POSTS = {"/inbox/read"}
