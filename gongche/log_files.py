"""The log's heads as files beside the archive: written where days are sealed, held against the log by `verify`."""

from gongche.home import Gongche
from store.log_chain import verify_log
from store.log_heads import export_heads, verify_heads
from store.manifest import make_folder, write_durably


def export_log_heads(gongche: Gongche, before_day: int) -> list[str]:
    """Write the head of each local day before `before_day` that has none yet; returns the days."""

    def write(path: str, data: bytes) -> None:
        target = gongche.archive.root / path
        make_folder(target.parent)
        write_durably(target, data)

    with gongche.database.connection() as conn:
        return export_heads(conn, write, before_day)


def verify_log_and_heads(gongche: Gongche) -> list[str]:
    """One line for each fault of the log and of its exported heads, the first broken entry first."""
    root = gongche.archive.root
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("log/day=*/head.json")}
    with gongche.database.connection() as conn:
        return [*verify_log(conn), *verify_heads(conn, files)]
