"""What the store holds, in numbers."""

from typing import Any

from psycopg import Connection


def status(conn: Connection[Any]) -> dict[str, Any]:
    """Named facts: server, size, positions accepted, partitions, archive, days that are open."""
    row = conn.execute(
        """
        SELECT current_setting('server_version'),
               pg_database_size(current_database()),
               (SELECT coalesce(sum(accepted), 0)::bigint FROM intake_count),
               (SELECT count(*) FROM pg_inherits WHERE inhparent = 'position'::regclass),
               (SELECT coalesce(max(sequence), 0) FROM archive_head),
               (SELECT count(*) FROM sealed_part),
               (SELECT count(*) FROM open_day),
               (SELECT min(day) FROM open_day),
               (SELECT count(*) FROM stale_day),
               (SELECT count(*) FROM quarantine WHERE released_at IS NULL)
        """
    ).fetchone()
    assert row is not None
    names = (
        "server", "database_bytes", "positions", "partitions", "sealings", "sealed_parts", "open_vehicle_days",
        "oldest_open_day", "vehicle_days_to_audit", "quarantined",
    )  # fmt: skip
    return dict(zip(names, row, strict=True))
