"""What the pages of terminals need done that is not theirs to do: commands checked, unknown terminals approved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from store.log import Kind

_LOOKS = {"locate", "track", "query_parameters", "query_properties"}
"""Commands that only ask."""


class DeskError(Exception):
    """Something that cannot be asked or approved as it was said; the message is one line for the person."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What became of what had waited: `left` could not be decoded and stays in quarantine."""

    accepted: int
    duplicate: int
    left: int


def log_kind(command: str) -> Kind:
    """Kind of the log's entry for a command to a terminal."""
    if command in _LOOKS:
        return "access"
    return "setting" if command == "set_parameters" else "decision"


class TerminalDesk(Protocol):
    """Handed to `create_app` by the service; its methods block."""

    def check(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a command as receivers take them; DeskError names what is wrong."""

    def approve(self, terminal_no: str, vehicle: str, protocol: str, terminal_type: str, datum: str) -> Approval:
        """Bind a terminal to a vehicle by code or plate, and take what waited of it; DeskError names what is wrong."""

    def settle(self, terminal_no: str) -> Approval:
        """Once all receivers know of a binding, take what they still refused until then."""
