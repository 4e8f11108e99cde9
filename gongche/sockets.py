"""Listening sockets, bound before anything else starts, so that a port in use is told at once."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from gongche.errors import GongcheError


@contextmanager
def bind(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    """A listening TCP socket; GongcheError names address and setting when it cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise GongcheError(f"cannot listen on {host}:{port} (setting {setting}): {error.strerror}") from None
        yield listener
