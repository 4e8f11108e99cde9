"""Ports for servers that are started by their number."""

import random
import socket

# Below those that the system gives to whoever calls out (from 32768, 49152 on other systems): what is free when it is
# asked for is not taken by a connection before the server listens.
_PORTS = range(20_000, 32_000)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback that nobody listens on."""
    chosen = random.SystemRandom()  # whoever fixes the seed of `random` must not get the same port in every process
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", chosen.choice(_PORTS)))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
