"""Who may report by JT/T 808: what the store is asked when a terminal registers or authenticates."""

import asyncio
from typing import Protocol

from ingest.jt808 import Message
from ingest.jt808 import encode as enc
from ingest.jt808.messages import REGISTRATION_RESULTS
from ingest.parcel import TerminalEvent
from ingest.session import now_us

HELD_CODE = "held"
"""What a stranger is given that is held: it authenticates nobody once the terminal is approved."""


class Registry(Protocol):
    """The store as receivers ask it: `register` and `authenticate` in a thread, the others answer at once."""

    def register(self, terminal: str) -> str | None:
        """The authentication code of a terminal, None when no vehicle is bound to it."""

    def authenticate(self, terminal: str, code: str) -> bool | None:
        """Whether this is the code the terminal was given; None when no vehicle is bound to it."""

    def holds(self, terminal: str) -> bool:
        """Whether a terminal that no vehicle is bound to is answered as if there were one, and waits for approval."""

    def dialect(self, terminal: str) -> str:
        """The dialect of a terminal's items, as far as is known without asking anybody."""


async def register(registry: Registry, message: Message) -> tuple[int, str, TerminalEvent]:
    """Result and code of 0x8100, and what the terminal said of itself. Raises what the store raises."""
    terminal = message.header.terminal
    code = await asyncio.to_thread(registry.register, terminal)
    if code is None and registry.holds(terminal):
        code = HELD_CODE
    result = enc.NO_SUCH_TERMINAL if code is None else enc.REGISTERED
    facts = {**message.facts, "result": REGISTRATION_RESULTS[result]}
    return result, code or "", TerminalEvent(terminal, "registered", now_us(), facts)


async def authenticate(registry: Registry, message: Message) -> tuple[bool, TerminalEvent]:
    """Whether the code is right, and the event of it, which never holds the code. Raises what the store raises."""
    terminal = message.header.terminal
    right = await asyncio.to_thread(registry.authenticate, terminal, message.facts["code"])
    if right is None:
        right = registry.holds(terminal)
    said = {name: value for name, value in message.facts.items() if name != "code"}
    return right, TerminalEvent(terminal, "authenticated" if right else "wrong_code", now_us(), said)
