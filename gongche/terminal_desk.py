"""Commands to terminals and approvals, as the command line and the pages ask for them."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from geo.datum import DATUMS
from ingest.commands import check_arguments
from ingest.errors import IngestError
from ingest.files.fleet import PROTOCOLS
from ingest.release import Released, approve, release
from store.bindings import Bound, bind
from store.database import Database
from store.errors import StoreError
from store.fleet import vehicle_code
from store.receivers import living_receivers
from web.terminal_desk import Approval, DeskError

SETTLE_S = 8.0
"""Receivers look every second whether a binding changed; then what they had waiting is stored."""


class Desk:
    """The `web.terminal_desk.TerminalDesk` of a database."""

    def __init__(self, database: Database, settle_s: float = SETTLE_S) -> None:
        self._database = database
        self._settle_s = settle_s

    def check(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a command as receivers take them; DeskError names what is wrong."""
        try:
            return check_arguments(kind, arguments)
        except IngestError as error:
            raise DeskError(str(error)) from error

    def approve(self, terminal_no: str, vehicle: str, protocol: str, terminal_type: str, datum: str) -> Approval:
        """Bind a terminal to a vehicle by code or plate, and take what waited of it; DeskError names what is wrong."""
        for name, value, allowed in (("protocol", protocol, PROTOCOLS), ("datum", datum, DATUMS)):
            if value and value not in allowed:
                raise DeskError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
        try:
            done = approve(
                self._database, terminal_no, vehicle, protocol=protocol, terminal_type=terminal_type, datum=datum
            )
        except (IngestError, StoreError) as error:
            raise DeskError(str(error)) from error
        return _approval(done)

    def bind(self, terminal_no: str, vehicle: str, since: int | None = None) -> tuple[Bound, Approval]:
        """Bind a registered terminal to a vehicle by code or plate from an instant (µs UTC) on, else from now on.

        What waits of the time in quarantine is taken. DeskError names what is wrong.
        """
        try:
            with self._database.connection() as conn:
                bound = bind(conn, terminal_no, vehicle_code(conn, vehicle), since)
            return bound, _approval(release(self._database, terminal_no))
        except (IngestError, StoreError) as error:
            raise DeskError(str(error)) from error

    def settle(self, terminal_no: str) -> Approval:
        """Once all receivers know of a binding, take what they still refused until then; at once where none runs."""
        with self._database.connection() as conn:
            receivers = living_receivers(conn)
        if receivers:
            time.sleep(self._settle_s)
        return _approval(release(self._database, terminal_no))


def _approval(done: Released) -> Approval:
    return Approval(**asdict(done))
