"""A server with TimescaleDB where none is installed: PostgreSQL in WebAssembly, run by Node.

It holds what one session at a time can show: hypertables, compression, continuous aggregates refreshed by hand, COPY both
ways, migrations. There are no background workers, no two transactions at once in one database and no LISTEN across
connections: what needs them asks for a real server.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

SERVER = Path(__file__).parent / "pglite" / "server.mjs"
PACKAGES = Path(__file__).parents[2] / "build" / "pglite" / "node_modules"
"""Where the set-up of `make test` installs what pglite/package-lock.json names."""


def pglite_missing() -> str | None:
    """Why the server cannot run here, None when it can."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (PACKAGES / "@unni-craftsman" / "pglite").is_dir():
        return f"{PACKAGES} is missing; make test installs it"
    return None


@contextmanager
def pglite_server() -> Iterator[str]:
    """Connection string of a running server with TimescaleDB, on which databases can be created and dropped.

    `CREATE DATABASE … TEMPLATE …` copies, as on any server. The extension is offered, not created.
    """
    process = subprocess.Popen(
        ["node", SERVER, PACKAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield psycopg.conninfo.make_conninfo(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
