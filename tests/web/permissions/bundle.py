"""Evidence bundles of cases; who gets one is tested in tests/bundle/test_page.py."""

from tests.web.permissions import NOBODY

TABLE = {"/cases/999999/bundle": {**NOBODY, "manager": 403}}
POSTS = {"/cases/{case_id}/bundle"}
