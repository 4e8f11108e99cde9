"""Servers with TimescaleDB for the tests: given by URL, or started where this machine's PostgreSQL offers the extension."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

URLS = {"timescale": "GONGCHE_TEST_TIMESCALE_URL", "timescale-apache": "GONGCHE_TEST_TIMESCALE_APACHE_URL"}
LICENSES = {"timescale": "timescale", "timescale-apache": "apache"}
_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def server(level: str) -> Iterator[str | None]:
    """Connection string of a server of this level while the block runs; None where none can be had.

    The licence is a setting of the whole server, so that each level has its own.
    """
    given = os.environ.get(URLS[level])
    if given:
        yield given
        return
    programs = next((each for each in _programs() if _offers_timescale(each)), None)
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="gongche-timescale-", dir="/tmp"))  # a socket's path is short
    try:
        with _running(programs, folder, LICENSES[level]) as conninfo:
            yield conninfo
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(programs: Path, folder: Path, licence: str) -> Iterator[str]:
    account = _account()
    if account:
        shutil.chown(folder, account)
    data = folder / "data"
    _run(account, programs / "initdb", "-D", data, "-U", "gongche", "--auth=trust", "-E", "UTF8", "--locale=C", "-N")
    settings = {
        "shared_preload_libraries": "timescaledb",
        "timescaledb.license": licence,
        "timescaledb.telemetry_level": "off",
        "timescaledb.max_background_workers": "0",
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "100",
        "max_locks_per_transaction": "512",
        "jit": "off",
    }
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    _run(account, programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "start")
    try:
        yield f"host={folder} user=gongche dbname=postgres"
    finally:
        _run(account, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _programs() -> Iterator[Path]:
    found = shutil.which("pg_config")
    if found:
        yield Path(_answer(found, "--bindir"))
    if _DEBIAN.is_dir():
        yield from sorted((each / "bin" for each in _DEBIAN.iterdir()), reverse=True)


def _offers_timescale(programs: Path) -> bool:
    if not (programs / "initdb").exists() or not (programs / "pg_ctl").exists():
        return False
    asked = programs / "pg_config"
    shares = [Path("/usr/share/postgresql") / programs.parent.name]
    if asked.exists():
        shares.insert(0, Path(_answer(str(asked), "--sharedir")))
    return any((share / "extension" / "timescaledb.control").exists() for share in shares)


def _answer(program: str, option: str) -> str:
    return subprocess.run([program, option], capture_output=True, text=True, check=True).stdout.strip()


def _account() -> str | None:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(account: str | None, *command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], user=account, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        cwd="/", text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
