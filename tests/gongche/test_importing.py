"""Positions of files that name a terminal: each goes to the vehicle the terminal was in at its time."""

import numpy as np

from gongche.importing import _of_vehicles
from ingest.files import Batch
from ingest.roster import load_roster
from store.bindings import bind, end
from store.database import Database
from store.fleet import Terminal, Unit, Vehicle, load_vehicles, upsert_terminals, upsert_units, upsert_vehicles
from tests.store.rows import START, at

NAMES = ["V0", "0013900000001", "77"]


def test_rows_of_a_moved_terminal_are_divided_by_time_and_what_nobody_had_is_kept_apart(database: Database) -> None:
    """Of a capture; a table's names are of vehicles, whatever terminals are called."""
    sent = at(*range(8), 0, 1, 2, vehicle_ix=[1] * 8 + [0, 2, 2])
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(3)])
        upsert_terminals(conn, [Terminal("13900000001", "V1", "jt808"), Terminal("V0", "V2", "nmea")])
        bind(conn, "13900000001", "V2", START + 3_000_000)
        end(conn, "13900000001", START + 6_000_000)
        roster = load_roster(conn)
        found = {}
        for named_by in ("terminal", "vehicle"):
            known = {car.code: car.vehicle_id for car in load_vehicles(conn)}
            positions, ids = _of_vehicles(conn, Batch(sent, NAMES, named_by=named_by), known, roster)
            codes = {car.vehicle_id: car.code for car in load_vehicles(conn)}
            found[named_by] = [codes[each] for each in ids[positions.vehicle_ix].tolist()]
            assert np.array_equal(positions.fix_time, sent.fix_time)
    nobody = NAMES[1]
    assert found["terminal"] == ["V1"] * 3 + ["V2"] * 3 + [nobody] * 2 + ["V2", "77", "77"]
    assert found["vehicle"] == [nobody] * 8 + ["V0", "77", "77"]
