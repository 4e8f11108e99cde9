"""Rules tried on past days, as the pages ask for it: by one person one at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rules.load import Rule
from rules.whatif import WhatIf

MAX_DAYS = 31
"""Days that a page tries a rule on at once."""


class Trials(Protocol):
    """Handed to `create_app` by the service; its methods block."""

    def try_rule(self, rule: Rule, from_day: int, to_day: int, unit: str = "") -> WhatIf:
        """What a rule would change on local days [from_day, to_day], of a unit and all below it, or of all vehicles."""


class Turns:
    """Who tries a rule now; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[int] = set()

    @contextmanager
    def turn(self, user_id: int) -> Iterator[bool]:
        """Whether it is this person's turn; False while another trial of the same person runs."""
        with self._lock:
            free = user_id not in self._busy
            self._busy.add(user_id)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._busy.discard(user_id)
