"""The ledger on the first page: the last day by source, and everything that was ever received."""

import re

from tests.web.conftest import SignedIn


def test_the_ledger_balances_for_the_last_day_and_in_all(signed_in: SignedIn) -> None:
    """The city received 10 today by JT/T 808 and imported 100 nine days ago."""
    text = signed_in("auditor").get("/").text
    today, ever = (
        [int(number) for number in re.findall(r'<td class="num">(\d+)</td>', text.split(f">{row}</th>")[1])[:4]]
        for row in ("All", "Since the beginning")
    )
    assert today == [10, 7, 2, 1]
    assert ever == [110, 97, 6, 7]
