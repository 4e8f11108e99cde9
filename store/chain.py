"""The chain of manifests in the database: which sealing is the next, and what its manifest names as the one before."""

from typing import Any

from psycopg import Connection

from store.manifest import GENESIS, Manifest, sha256


def lock_chain(conn: Connection[Any]) -> None:
    """Let one sealing at a time go on, to the end of the transaction; readers and other writers are not kept waiting."""
    conn.execute("LOCK TABLE archive_head IN SHARE ROW EXCLUSIVE MODE")


def next_link(conn: Connection[Any]) -> tuple[int, str]:
    """Number of the next sealing, and hash of the manifest before it."""
    head = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone()
    return (head[0] + 1, head[1]) if head else (1, GENESIS)


def advance(conn: Connection[Any], manifest: Manifest) -> None:
    """Make a manifest the newest one."""
    conn.execute(
        """
        INSERT INTO archive_head (sequence, sha256) VALUES (%s, %s)
        ON CONFLICT (only_one) DO UPDATE SET sequence = excluded.sequence, sha256 = excluded.sha256
        """,
        (manifest.sequence, sha256(manifest.as_bytes())),
    )
