"""Notices made of what happened, and delivered outside the house: by mail, and to another system.

A delivery is tried and its attempt written down in one transaction; whoever dies in between tries it again, so that a
receiver may get it twice, with the same number (Message-ID, X-Gongche-Delivery).
"""

import hashlib
import hmac
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from geo.localtime import FLEET_ZONE
from gongche.channels import check_channels
from gongche.home import Gongche
from gongche.settings import Settings
from rules.notices import KINDS, Happening, Person, next_attempt_min, recipients
from store.errors import reason
from store.notices import Due, make_notice, new_steps, people_to_tell, take_due, write_attempt
from web.i18n import translations
from web.notice_words import NOTICE_KINDS, notice_link

TIMEOUT_S = 10.0
ROUND_S = 30.0
"""So long a round delivers at most: sealing and audits wait behind it."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Ways out of the house; None: this one is not set."""

    mail: Callable[[Due], str] | None
    webhook: Callable[[Due], str] | None

    def of(self, due: Due) -> Callable[[Due], str] | None:
        """The way that a delivery takes."""
        return self.mail if due.channel == "mail" else self.webhook


def channels(settings: Settings) -> Channels:
    """The ways out that the settings open; GongcheError as `gongche.channels.check_channels`."""
    check_channels(settings)
    return Channels(
        (lambda due: _mail(settings, due)) if settings.smtp_host else None,
        (lambda due: _post(settings, due)) if settings.webhook_url else None,
    )


def make_notices(gongche: Gongche) -> int:
    """Notices of everything that happened and that somebody is to be told of; returns how many."""
    ways = channels(gongche.settings)
    with gongche.database.connection() as conn:
        steps = new_steps(conn, tuple(KINDS))
        people = [Person(each.user_id, each.role, each.unit_id, each.email) for each in people_to_tell(conn)]
        addresses = {person.user_id for person in people if person.email}
        for step in steps:
            happening = Happening(
                step.source, step.source_id, step.kind, tuple(step.units), step.actor, step.assigned, step.asker
            )
            to = recipients(happening, people)
            mail_to = [each for each in to if ways.mail and each in addresses]
            make_notice(conn, step, to, mail_to, ways.webhook is not None)
    return len(steps)


def deliver(gongche: Gongche) -> tuple[int, int]:
    """Try what is due, for half a minute at most; returns how many were sent, and how many attempts failed."""
    ways = channels(gongche.settings)
    until = time.monotonic() + ROUND_S
    sent = failed = 0
    while time.monotonic() < until:
        with gongche.database.connection() as conn:
            due = take_due(conn)
            if due is None:
                break
            ok, answer = _tried(ways.of(due), due)
            write_attempt(conn, due, ok, answer, None if ok else next_attempt_min(due.attempts + 1))
        sent, failed = sent + ok, failed + (not ok)
    return sent, failed


def _tried(way: Callable[[Due], str] | None, due: Due) -> tuple[bool, str]:
    if way is None:
        return False, f"no {due.channel} is set any more"
    try:
        return True, way(due)
    except (OSError, smtplib.SMTPException, HTTPException, ValueError) as error:
        return False, reason(error)


def _mail(settings: Settings, due: Due) -> str:
    """Send a mail; returns what is written down of it."""
    if not due.email:
        raise ValueError("the person has no address any more")
    sender = settings.smtp_from or f"gongche@{socket.getfqdn()}"
    chinese = translations("zh").gettext(NOTICE_KINDS[due.kind])
    message = EmailMessage()
    message["Subject"] = f"{settings.public_name}: {chinese} {due.plate} ({due.number})"
    message["From"], message["To"] = sender, due.email
    message["Date"] = format_datetime(due.happened_at.astimezone(FLEET_ZONE))
    message["Message-ID"] = f"<gongche-{due.delivery_id}@{sender.rsplit('@', 1)[1]}>"
    message["Auto-Submitted"] = "auto-generated"
    link = notice_link(due.kind, due.number)
    lines = [
        f"{chinese} · {due.plate} · {due.number}",
        f"{NOTICE_KINDS[due.kind]} · {due.plate} · {due.number}",
        f"{due.happened_at.astimezone(FLEET_ZONE):%Y-%m-%d %H:%M:%S} (Asia/Shanghai)",
        *([settings.public_url.rstrip("/") + link] if settings.public_url else []),
    ]
    message.set_content("\n".join(lines) + "\n")
    context = ssl.create_default_context()
    server: smtplib.SMTP
    if settings.smtp_security == "tls":
        server = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S)
    with server:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(message)
    return f"taken by {settings.smtp_host}"


def webhook_body(due: Due, public_url: str) -> bytes:
    """What is posted of a notice: numbers and names, no places."""
    facts: dict[str, Any] = {
        "delivery": due.delivery_id,
        "kind": due.kind,
        "number": due.number,
        "vehicle": due.vehicle,
        "plate": due.plate,
        "unit": due.unit,
        "at": due.happened_at.astimezone(FLEET_ZONE).isoformat(),
    }
    if public_url:
        facts["link"] = public_url.rstrip("/") + notice_link(due.kind, due.number)
    return json.dumps(facts, ensure_ascii=False).encode()


def signature(secret: str, at_s: int, body: bytes) -> str:
    """Value of X-Gongche-Signature: the second it was signed in, and HMAC-SHA256 over `<second>.<body>` in hex."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"t={at_s},v1={signed.hexdigest()}"


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other that is not 2xx: what is signed goes to the address set, and no other."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


def _post(settings: Settings, due: Due) -> str:
    body = webhook_body(due, settings.public_url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gongche",
        "X-Gongche-Delivery": str(due.delivery_id),
        "X-Gongche-Signature": signature(settings.webhook_secret.get_secret_value(), int(time.time()), body),
    }
    request = Request(settings.webhook_url, data=body, headers=headers)  # noqa: S310 - http or https, checked at the start
    try:
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            return f"answered {answer.status}"
    except HTTPError as error:
        error.close()
        raise ValueError(f"answered {error.code}") from None
