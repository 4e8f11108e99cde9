"""What one address may take up: connections, and bytes a second. Pure: the clock is passed in."""

from collections import Counter
from dataclasses import dataclass, field

# An address that was quiet may send so many seconds' worth at once.
BURST_S = 2.0


@dataclass(slots=True)
class AddressLimits:
    """Limits of one receiver; 0 is no limit.

    Bytes are counted after they were read, so an address goes over by one read at most and then waits until it has
    paid for it; nothing is thrown away.
    """

    max_connections: int = 0
    max_bytes_per_s: int = 0
    _connections: Counter[str] = field(default_factory=Counter)
    _owed: dict[str, tuple[float, float]] = field(default_factory=dict)  # host → bytes it is ahead, and when

    def admit(self, host: str) -> bool:
        """Whether one more connection may come from an address; counted if so."""
        if self.max_connections and self._connections[host] >= self.max_connections:
            return False
        self._connections[host] += 1
        return True

    def leave(self, host: str) -> None:
        """A connection that was admitted has ended."""
        self._connections[host] -= 1
        if self._connections[host] <= 0:
            del self._connections[host]
            self._owed.pop(host, None)

    def spend(self, host: str, count: int, now_s: float) -> None:
        """So many bytes came."""
        if self.max_bytes_per_s:
            self._owed[host] = (self._ahead(host, now_s) + count, now_s)

    def wait_s(self, host: str, now_s: float) -> float:
        """Seconds until an address may be read again; 0 where it may now."""
        if not self.max_bytes_per_s:
            return 0.0
        return max(0.0, self._ahead(host, now_s) / self.max_bytes_per_s - BURST_S)

    def _ahead(self, host: str, now_s: float) -> float:
        ahead, since = self._owed.get(host, (0.0, now_s))
        return max(0.0, ahead - (now_s - since) * self.max_bytes_per_s)
