import numpy as np

from store.database import Database
from store.fleet import load_zones
from tests.web.city import City, build_city
from web.shelf import LIFE_S, ZoneShelf


def test_a_place_between_two_reports_is_touched_and_a_district_is_not_a_place(city: City) -> None:
    shelf = ZoneShelf(city.database)
    through = shelf.places_touched(np.array([23.14, 23.14]), np.array([113.29, 113.34]))
    assert [zone.code for zone in through] == ["G1"]
    assert shelf.places_touched(np.array([23.05]), np.array([113.20])) == []
    assert shelf.places_touched(np.array([]), np.array([])) == []


def test_zones_are_read_again_when_they_have_grown_old(database: Database) -> None:
    build_city(database)
    now = 0.0
    shelf = ZoneShelf(database, clock=lambda: now)
    with database.connection() as conn:
        golf = next(zone for zone in load_zones(conn) if zone.code == "G1")
        conn.execute("UPDATE zone SET name_en = 'Old course' WHERE code = 'G1'")
    first = shelf.zone(golf.zone_id)
    with database.connection() as conn:
        conn.execute("UPDATE zone SET name_en = 'New course' WHERE code = 'G1'")
    still = shelf.zone(golf.zone_id)
    now = LIFE_S + 1
    later = shelf.zone(golf.zone_id)
    assert [zone and zone.name_en for zone in (first, still, later)] == ["Old course", "Old course", "New course"]
    assert shelf.zone(-1) is None
