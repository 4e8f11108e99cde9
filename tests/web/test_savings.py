"""The page of savings: what it says of units with and without what is declared, to whom."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from geo.localtime import day_number
from store.savings import FuelPrice, load_prices, put_prices, remove_price
from tests.web.city import DAY, City
from tests.web.conftest import SignedIn

THIS = f"from_month={DAY:%Y-%m}&to_month={DAY:%Y-%m}"
DAYS = ((DAY.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day


@pytest.fixture
def declared(city: City) -> Iterator[None]:
    """V1 and V2 have a baseline of 50 km a day and a consumption, V11 has neither; fuel costs 8 yuan."""
    first = day_number(DAY) - 40
    with city.database.connection() as conn:
        conn.execute(
            "UPDATE vehicle SET baseline_km_month = %s, baseline_source = '<b>2011</b>', consumption_l_100km = 10,"
            " consumption_source = 'type approval' WHERE code IN ('V1', 'V2')",
            (50 * DAYS,),
        )
        put_prices(conn, [FuelPrice(first, 8.0, "NDRC bulletin")])
    yield
    with city.database.connection() as conn:
        conn.execute("UPDATE vehicle SET baseline_km_month = NULL, baseline_source = '', consumption_l_100km = NULL")
        remove_price(conn, first)


def _text(client: httpx.Client, query: str = THIS) -> str:
    answer = client.get(f"/savings?{query}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.usefixtures("declared")
def test_the_saving_stands_beside_all_its_inputs(signed_in: SignedIn) -> None:
    text = _text(signed_in("auditor"))
    assert "−75.3 %" in text  # twice 12.345 km against twice 50 km
    for shown in (
        "<b>75</b>",  # kilometres
        "<b>8</b>",  # litres
        "<b>60</b>",  # yuan
        "1 without baseline",
        "2 of 3 observed vehicles have one",
        "&lt;b&gt;2011&lt;/b&gt; <small>(2 vehicles)",
        "type approval <small>(2 vehicles)",
        "10.00 litres per 100 km",
        "8.00 yuan per litre",
        "until further notice",
        "NDRC bulletin",
        f"3 of {3 * DAYS} vehicle-days",
        "Second Bureau",
    ):
        assert shown in text, shown
    assert "<b>2011</b>" not in text


@pytest.mark.usefixtures("declared")
def test_a_manager_sees_the_saving_of_the_own_subtree_only(signed_in: SignedIn) -> None:
    text = _text(signed_in("manager"))
    assert "1 of 2 observed vehicles have one" in text
    assert "Second Bureau" not in text
    assert "Office of the First Bureau" in text


@pytest.mark.usefixtures("declared")
def test_a_unit_shows_those_below_it(signed_in: SignedIn) -> None:
    text = _text(signed_in("inspector"), f"{THIS}&unit=U1")
    assert f'href="/savings?unit=U11&amp;from_month={DAY:%Y-%m}' in text
    assert "1 of 2 observed vehicles have one" in text
    assert "0 of 1 observed vehicles have one" in _text(signed_in("inspector"), f"{THIS}&unit=U11")


def test_without_price_or_baseline_no_figure_is_made_up(signed_in: SignedIn) -> None:
    text = _text(signed_in("admin"))
    assert "0 of 3 observed vehicles have one" in text
    assert "no price of fuel, so no yuan" in text
    assert "nan" not in text.split("<main")[1].split("<script")[0].lower()


def test_months_without_anybody_say_so(signed_in: SignedIn) -> None:
    text = _text(signed_in("admin"), "from_month=2001-01&to_month=2001-03")
    assert "Nothing yet" in text
    assert "savings-chart" not in text


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("from_month=spring", "expected a month as 2026-11, got &#39;spring&#39;"),
        ("from_month=2026-05&to_month=2026-04", "expected 1 to 60 months, got 0"),
        ("from_month=1990-05&to_month=2026-04", "expected 1 to 60 months, got 432"),
    ],
)
def test_a_wrong_month_is_named(signed_in: SignedIn, query: str, reason: str) -> None:
    answer = signed_in("admin").get(f"/savings?{query}")
    assert answer.status_code == 400
    assert reason in answer.text


def test_the_administrator_edits_prices(city: City, signed_in: SignedIn) -> None:
    client = signed_in("admin")

    def send(path: str, **form: str) -> httpx.Response:
        return client.post(path, data=form, headers={"origin": str(client.base_url).rstrip("/")})

    def stored() -> list[tuple[float, str]]:
        with city.database.connection() as conn:
            return [(each.yuan_per_l, each.source) for each in load_prices(conn)]

    form = {"valid_from": "2020-01-01", "valid_to": "2020-01-31", "yuan_per_l": "6.9", "source": "NDRC"}
    assert send("/savings/prices", **form).status_code == 303
    assert stored() == [(6.9, "NDRC")]
    overlap = send("/savings/prices", **{**form, "valid_from": "2020-01-10", "valid_to": ""})
    assert overlap.status_code == 400
    assert "another price holds" in overlap.text
    for wrong in ({"yuan_per_l": "0"}, {"source": " "}, {"valid_to": "2019-12-31"}, {"valid_from": "soon"}):
        assert send("/savings/prices", **{**form, **wrong}).status_code == 400, wrong
    assert stored() == [(6.9, "NDRC")]
    assert "6.90 yuan per litre, 2020-01-01 – 2020-01-31" in _text(client, "from_month=2020-01&to_month=2020-02")
    assert send("/savings/prices/remove", valid_from="2020-01-01").status_code == 303
    assert send("/savings/prices/remove", valid_from="2020-01-01").status_code == 404
    assert stored() == []


def test_units_come_a_page_at_a_time(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("web.savings", "web.savings_page"):
        monkeypatch.setattr(f"{module}.PAGE_ROWS", 1)
    client = signed_in("auditor")
    first, second = (_text(client, f"{THIS}&page={page}") for page in (1, 2))
    units = [each.split("</table>")[0] for text in (first, second) for each in text.split("<section>")[2:3]]
    assert ["First Bureau</a>" in each for each in units] == [True, False]
    assert ["Second Bureau</a>" in each for each in units] == [False, True]
    assert "1 / 2" in first
    assert f"?page=2&amp;unit=&amp;{THIS.replace('&', '&amp;')}" in first
