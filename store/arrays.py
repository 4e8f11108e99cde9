"""Long columns as parameters: PostgreSQL's own text of an array, which psycopg needs not look into."""

from collections.abc import Sequence


def array(values: Sequence[float]) -> str:
    """The text of an array of numbers, to be cast in the statement.

    psycopg takes five times as long for a list, and prepares the statement anew for each width of its numbers.
    """
    return f"{{{','.join(map(str, values))}}}"


MICROSECONDS = "timestamptz 'epoch' + {} * interval '1 microsecond'"
"""An instant of µs since 1970 UTC, to the last of them."""
