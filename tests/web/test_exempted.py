"""A flag that an exemption lifts is kept and shown, and is nobody's work."""

from store import views
from store.exemptions import Exemption, add_exemption
from store.users import User
from tests.web.city import DAY, City
from tests.web.conftest import SignedIn

CHIP = '<span class="chip off">Exempted</span>'
INSPECTOR = User(0, "inspector", "inspector", None)


def test_an_exempted_flag_is_shown_by_itself_and_with_its_trip_and_is_not_open(city: City, signed_in: SignedIn) -> None:
    client, trip = signed_in("inspector"), city.trip_ids["V1"]
    assert CHIP not in client.get("/flags").text
    with city.database.connection() as conn:
        number = add_exemption(conn, Exemption("市长", "抢险", vehicle="V1", rule="private-use-no-order"))
        open_before = views.overview(conn, INSPECTOR, DAY).flags_open
        conn.execute("UPDATE flag SET exemption_id = %s WHERE trip_id = %s", (number, trip))
        assert views.overview(conn, INSPECTOR, DAY).flags_open == open_before - 1
    try:
        left = client.get("/flags?exempted=").text
        assert (left.count('<span class="chip red">'), left.count(CHIP)) == (2, 0)
        alone = client.get("/flags?exempted=1").text
        assert (alone.count('<span class="chip red">'), alone.count(CHIP)) == (1, 1)
        assert CHIP in client.get(f"/trips/{trip}").text
        assert CHIP in client.get(f"/vehicles/{city.vehicle_ids['V1']}").text
        assert client.get("/flags?exempted=perhaps").status_code == 400
    finally:
        with city.database.connection() as conn:
            conn.execute("UPDATE flag SET exemption_id = NULL")
