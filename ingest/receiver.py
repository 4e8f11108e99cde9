"""What listening over TCP and over UDP have in common."""

from collections import Counter

from ingest.limits import AddressLimits
from ingest.session import Platform


class Receiver:
    """Listens on one address for a platform. `async with receiver:` starts it; leaving it answers what is stored.

    Parameters
    ----------
    platform : speaks the protocol.
    host, port : the address; port 0 takes a free one, then in `port`.
    idle_timeout_s : silence after which a session is ended.
    max_connections : sessions at once; more are refused as they come, and counted.
    limits : what one address may take up.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        idle_timeout_s: float = 300.0,
        max_connections: int = 20_000,
        limits: AddressLimits | None = None,
    ) -> None:
        self.platform = platform
        self.host = host
        self.port = port
        self.idle_timeout_s = idle_timeout_s
        self.max_connections = max_connections
        self.limits = limits or AddressLimits()
        self.counts: Counter[str] = platform.counts
