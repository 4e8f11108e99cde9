"""The log's heads as files beside the archive: written where days are sealed, held against the log by `verify`."""

from gongche.home import Gongche
from store.log_chain import verify_log
from store.log_heads import export_heads, verify_heads

FOLDER = "log"


def export_log_heads(gongche: Gongche, before_day: int) -> list[str]:
    """Write the head of each local day before `before_day` that has none yet; returns the days."""
    with gongche.database.connection() as conn:
        return export_heads(conn, gongche.archive.files.put, before_day)


def verify_log_and_heads(gongche: Gongche) -> list[str]:
    """One line for each fault of the log and of its exported heads, the first broken entry first."""
    files = gongche.archive.files
    heads = {path: files.get(path) for path in files.paths(FOLDER)}
    with gongche.database.connection() as conn:
        return [*verify_log(conn), *verify_heads(conn, heads)]
