"""Who asks, and what a page may load: sessions, same-origin posts, failed sign-ins, headers."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE = "session"
MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
_REMEMBERED_ADDRESSES = 10_000


class SecurityHeaders:
    """ASGI middleware: a nonce for each request, and headers that let a page load nothing but what is ours."""

    def __init__(self, app: ASGIApp, image_hosts: str = "") -> None:
        self._app = app
        self._image_hosts = image_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        state = scope.setdefault("state", {})
        state["nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                styles = "'unsafe-inline'" if state.get("inline_styles") else f"'nonce-{nonce}'"
                headers["Content-Security-Policy"] = (
                    f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' {styles}; "
                    f"img-src 'self' data: {self._image_hosts}; object-src 'none'; base-uri 'none'; "
                    f"form-action 'self'; frame-ancestors 'self'"
                )
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def nonce_of(connection: HTTPConnection) -> str:
    """The nonce of this request's inline scripts."""
    return str(connection.state.nonce)


def allow_inline_styles(request: Request) -> None:
    """Let this page alone take inline styles: plotly writes style elements that carry no nonce."""
    request.state.inline_styles = True


def is_same_origin(request: Request) -> bool:
    """Whether a form was sent from one of our own pages."""
    origin = request.headers.get("origin") or request.headers.get("referer")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


class FailedSignIns:
    """How often each address failed lately; past MAX_FAILURES in FAILURE_WINDOW_S it has to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def must_wait(self, address: str) -> bool:
        """Whether this address may not try now."""
        recent = [when for when in self._failures.get(address, ()) if when > self._clock() - FAILURE_WINDOW_S]
        return len(recent) >= MAX_FAILURES

    def add(self, address: str) -> None:
        """Note a failure."""
        recent = [when for when in self._failures.pop(address, []) if when > self._clock() - FAILURE_WINDOW_S]
        self._failures[address] = [*recent, self._clock()][-MAX_FAILURES:]
        while len(self._failures) > _REMEMBERED_ADDRESSES:
            self._failures.popitem(last=False)

    def forget(self, address: str) -> None:
        """Note a success."""
        self._failures.pop(address, None)
