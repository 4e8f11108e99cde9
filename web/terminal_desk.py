"""What the pages of terminals need done that is not theirs to do: commands checked, unknown terminals approved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class DeskError(Exception):
    """Something that cannot be asked or approved as it was said; the message is one line for the person."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What became of what had waited: `left` could not be decoded and stays in quarantine."""

    accepted: int
    duplicate: int
    left: int


class TerminalDesk(Protocol):
    """Handed to `create_app` by the service; its methods block."""

    def check(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a command as receivers take them; DeskError names what is wrong."""

    def approve(self, terminal_no: str, vehicle: str, protocol: str, terminal_type: str, datum: str) -> Approval:
        """Bind a terminal to a vehicle by code or plate, and take what waited of it; DeskError names what is wrong."""

    def settle(self, terminal_no: str) -> Approval:
        """Once all receivers know of a binding, take what they still refused until then."""
