"""What the store holds, in numbers."""

from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from store.layout import find_layout, find_level


def status(conn: Connection[Any]) -> dict[str, Any]:
    """Named facts: level, server and extension, layout, sizes, compression, how far work lags behind, archive, what waits."""
    level, layout = find_level(conn), find_layout(conn)
    return {
        "level": level,
        **_row(conn, _SERVER),
        "layout": layout,
        **_row(conn, _COUNTS),
        **(_chunks(conn, level) if layout == "chunks" else _row(conn, _PARTITIONS)),
        "lag": _row(conn, _LAG),
    }


_SERVER = """
    SELECT current_setting('server_version') AS server,
           coalesce((SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), '') AS timescaledb,
           coalesce((SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'), '')
               AS timescaledb_offered
"""
_COUNTS = """
    SELECT pg_database_size(current_database()) AS database_bytes,
           (SELECT coalesce(sum(accepted), 0)::bigint FROM intake_count) AS positions,
           (SELECT coalesce(max(sequence), 0) FROM archive_head) AS sealings,
           (SELECT count(*) FROM sealed_part) AS sealed_parts,
           (SELECT count(*) FROM dropped_day) AS days_in_archive_only,
           (SELECT coalesce(sum(positions), 0)::bigint FROM dropped_day) AS positions_in_archive_only,
           (SELECT count(*) FROM open_day) AS open_vehicle_days,
           (SELECT count(*) FROM stale_day) AS vehicle_days_to_audit,
           (SELECT count(*) FROM quarantine WHERE released_at IS NULL) AS quarantined
"""
_PARTITIONS = """
    SELECT count(*) AS partitions,
           min(day) AS oldest_partition, max(day) AS newest_partition,
           coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS position_bytes
    FROM (SELECT c.oid, CASE WHEN c.relname ~ '^position_[0-9]{8}$' THEN to_date(substr(c.relname, 10), 'YYYYMMDD') END AS day
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'position'::regclass) AS part
"""
_CHUNKS = """
    SELECT count(*) AS chunks, min(range_start) AS oldest_chunk, max(range_start) AS newest_chunk,
           hypertable_size('position') AS position_bytes
    FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'position'
"""
# Rows that a compressed chunk holds are counted by the chunk's own numbers, not by reading it.
_COMPRESSED = """
    SELECT count(*) AS compressed_chunks,
           coalesce(sum(before_compression_total_bytes), 0)::bigint AS bytes_before_compression,
           coalesce(sum(after_compression_total_bytes), 0)::bigint AS bytes_after_compression
    FROM chunk_compression_stats('position') WHERE compression_status = 'Compressed'
"""
_COMPRESSED_ROWS = """
    SELECT coalesce(sum(s.numrows_pre_compression), 0)::bigint AS rows
    FROM _timescaledb_catalog.compression_chunk_size s
    JOIN _timescaledb_catalog.chunk c ON c.id = s.chunk_id
    JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
    WHERE h.schema_name = current_schema() AND h.table_name = 'position'
"""
_LAG = """
    SELECT (SELECT min(day) FROM open_day) AS oldest_open_day,
           (SELECT CASE WHEN isfinite(stored_before) THEN stored_before END FROM rollup_state) AS hours_summed_before,
           (SELECT min(hour) FROM stale_hour
            WHERE ((hour AT TIME ZONE 'UTC') + interval '8 hours')::date NOT IN (SELECT day FROM dropped_day))
               AS oldest_hour_to_sum_again,
           (SELECT count(*) FROM stale_hour) AS vehicle_hours_to_sum_again,
           (SELECT max(received_at) FROM latest) AS newest_receipt,
           (SELECT round(extract(epoch FROM now() - max(received_at)))::bigint FROM latest) AS newest_receipt_age_s
"""


def _chunks(conn: Connection[Any], level: str) -> dict[str, Any]:
    facts = _row(conn, _CHUNKS)
    if level != "timescale":
        return facts
    compressed = _row(conn, _COMPRESSED)
    rows = _row(conn, _COMPRESSED_ROWS)["rows"]
    before, after = compressed["bytes_before_compression"], compressed["bytes_after_compression"]
    return {
        **facts,
        **compressed,
        "compression_ratio": round(before / after, 2) if after else None,
        "compressed_bytes_per_position": round(after / rows, 2) if rows else None,
    }


def _row(conn: Connection[Any], query: str) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query).fetchone()
    assert row is not None
    return {name: int(value) if isinstance(value, bool) else value for name, value in row.items()}
