"""Where the broker is and how to sign in."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from ingest.errors import ReceiverError


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to sign in; `tls` None: no encryption; `version` None: 5, or what it speaks."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    version: Literal["5", "3.1.1"] | None = None

    @classmethod
    def from_url(cls, url: str, ca_file: Path | None = None) -> Self:
        """Address of `mqtt[s]://[user:password@]host[:port][?version=5|3.1.1]`; mqtts checks the broker's certificate.

        It must be signed by an authority in the PEM file `ca_file`; None: by one that the system trusts. ReceiverError
        when the url is none, the file cannot be read, or is given for a url without TLS; it never holds the password.
        """
        parts = urlsplit(url)
        versions = parse_qs(parts.query).get("version", [""])
        try:
            port = parts.port
        except ValueError:
            port = 0
        known = parts.scheme in {"mqtt", "mqtts"} and versions[-1] in {"", "5", "3.1.1"}
        if not known or not parts.hostname or port == 0:
            raise ReceiverError(
                "broker: expected mqtt[s]://[user:password@]host[:port][?version=5|3.1.1], got another url"
            )
        secure = parts.scheme == "mqtts"
        if ca_file is not None and not secure:
            raise ReceiverError(f"broker: expected mqtts:// with the authority {ca_file}, got mqtt://")
        return cls(
            parts.hostname,
            port or (8883 if secure else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            _tls(ca_file) if secure else None,
            cast("Literal['5', '3.1.1'] | None", versions[-1] or None),
        )


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ReceiverError(f"broker: expected a PEM file of the authority at {ca_file}: {reason}") from None
