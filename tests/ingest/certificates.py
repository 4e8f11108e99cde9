"""Certificates for the tests, made by the openssl command."""

import subprocess
from pathlib import Path

from tests.ingest.conftest import require_binary


def make_certificate(key: Path, certificate: Path, name: str = "localhost") -> None:
    """A key, and a certificate for `name` that it signed itself, as PEM files."""
    command = [
        require_binary("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
        "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
