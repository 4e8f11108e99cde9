"""Compile the loops, `python -m tests.compiling`: once, before each process of a test run would do it by itself."""

import numpy as np

from analytics.audit import audit
from geo.jit import COMPILED
from ingest.jt808.bulk import read_bulk
from ingest.nmea.bulk import BulkAssembler
from store.forms import COLUMNS, from_file, to_file
from tests.analytics.test_audit import DAYS, batch, context
from tests.analytics.tracks import MONDAY
from tests.ingest.protocol_strategies import position_frame
from tests.ingest.test_jt808_bulk import GOOD, RECEIVED_AT
from tests.ingest.test_nmea_bulk import usual
from tests.store.test_forms import as_jt808, columns_of


def main() -> None:
    """Let every loop run on what it is for."""
    positions = batch(1)
    audit(positions, context(), MONDAY, MONDAY + DAYS)
    for columns in (as_jt808(), columns_of(positions.take(positions.vehicle_ix == 0))):
        from_file(to_file(columns), list(COLUMNS))
    read_bulk(position_frame(GOOD), RECEIVED_AT).answers(np.zeros(1, dtype=np.uint8), 1)
    BulkAssembler().feed(usual("080000") + usual("080010"), RECEIVED_AT, last=True)


if __name__ == "__main__" and COMPILED:
    main()
