"""A process that uses an embedded server: says `ready` and its connection string, leaves when its input closes.

    python -m tests.store.server_process HOME [USER]

It becomes USER after its imports, because an account of the system may be unable to reach the interpreter's folder.
"""

import os
import pwd
import sys
from pathlib import Path

from store.errors import ServerError
from store.postgres import EmbeddedPostgres


def become(user: str) -> None:
    """Give up being root for good."""
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        become(sys.argv[2])
    try:
        with EmbeddedPostgres(Path(sys.argv[1])) as server:
            print("ready", server.conninfo, flush=True)  # noqa: T201 - what the test waits for
            sys.stdin.read()
    except ServerError as error:
        print("refused", error, flush=True)  # noqa: T201 - what the test waits for
