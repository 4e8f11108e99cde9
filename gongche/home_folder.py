"""Where the home folder is; without opening anything in it."""

import os
from pathlib import Path

ROOT_HOME = Path("/var/lib/gongche")


def default_home() -> Path:
    """Where data lives unless `--home` or GONGCHE_HOME says otherwise.

    As root a folder that the embedded server's own user can reach; a home below /root could not be.
    """
    if os.environ.get("GONGCHE_HOME"):
        return Path(os.environ["GONGCHE_HOME"])
    if os.geteuid() == 0:
        return ROOT_HOME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gongche"
