"""Whether the settings of mail and webhook fit each other; looked at before anything runs."""

import ipaddress
from urllib.parse import urlsplit

from gongche.errors import GongcheError
from gongche.settings import Settings


def check_channels(settings: Settings) -> None:
    """GongcheError names a setting that does not fit the others."""
    address = urlsplit(settings.webhook_url)
    if settings.webhook_url and (address.scheme not in {"http", "https"} or not address.hostname):
        raise GongcheError(
            f"setting webhook_url: expected an address as https://host/path, got {settings.webhook_url!r}"
        )
    if settings.webhook_url and not settings.webhook_secret.get_secret_value():
        raise GongcheError("setting webhook_secret: expected a key, as webhook_url is set")
    if settings.smtp_host and settings.smtp_security == "none" and not _is_loopback(settings.smtp_host):
        raise GongcheError(f"setting smtp_security: expected starttls or tls for {settings.smtp_host}, got 'none'")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
