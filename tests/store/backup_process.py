"""A backup or restore in a process that is killed once so many files are done.

python -m tests.store.backup_process backup|restore CONNINFO FOLDER ARCHIVE FILES
"""

import os
import signal
import sys
from pathlib import Path

from store.backup import back_up
from store.database import Database
from store.depot import Folder
from store.restore import restore


def kill_after(files: int, done: int) -> None:
    """End at once, as a power cut does, when so many are done."""
    if done == files:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    work, conninfo, folder, archive, files = sys.argv[1:]
    if work == "backup":
        with Database.open(conninfo, pool_size=2) as database:
            back_up(
                database,
                Path(folder),
                release="0.0.0-test",
                archive=Folder(Path(archive)),
                progress=lambda done, _total: kill_after(int(files), done),
            )
    else:
        restore(
            conninfo,
            Path(folder),
            archive=Folder(Path(archive)),
            progress=lambda done, _total: kill_after(int(files), done),
        )
