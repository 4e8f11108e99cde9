"""The people of a simulated year, each with a client of the pages: inspectors who review, a manager who explains.

What a reviewer thinks comes from the truth, but for a stated share of errors: how well people judge is not what is
measured. What they get to see, in which order and how much of it, is the product's.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import httpx

from benchmarks.year_truth import Case, Told, Truth
from fixtures.draws import keys, uniform
from geo.localtime import day_number, to_us

PASSWORD = "benchmark-only"  # noqa: S105 - of a database that ends with the year
INSPECTOR, MANAGER, AUDITOR, ADMIN = "inspector", "manager", "auditor", "admin"
_OF_ERRORS = 21  # what the draws of reviewers' errors are keyed by, beside the seed

STEPS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (INSPECTOR, "ask", {"reason": "请说明本次用车事由，并提供派车单或其他证明材料。"}),
    (MANAGER, "explain", {"reason": "经核实，当日未按规定办理派车手续。"}),
    (INSPECTOR, "confirm", {"reason": "行程与公务无关，认定违规用车。"}),
    (INSPECTOR, "deal", {"persons": 1, "measure": "批评教育，责令退还费用。", "recovered_yuan": "120.00"}),
    (MANAGER, "rectify", {"reason": "出车前核对派车单，车辆按时归队。"}),
    (INSPECTOR, "close", {}),
)
"""What becomes of a case of misuse: who does what, and says what."""


@dataclass(frozen=True, slots=True)
class Review:
    """One review. misused: cases of misuse that there are in it in truth; found: whether the reviewer said so."""

    person: str
    queue: int  # local day of the queue it was worked in
    item_id: int
    made: int  # local day of the queue it came in
    place: int
    why: str
    misused: frozenset[Case]
    found: bool
    case_id: int | None


class Office:
    """Everybody, signed in."""

    def __init__(self, clients: Mapping[str, httpx.Client], truth: Truth, seed: int, error_share: float) -> None:
        self._clients = clients
        self._truth = truth
        self._seed = seed
        self._error_share = error_share

    @property
    def inspectors(self) -> list[str]:
        """Their names."""
        return [name for name in self._clients if name.startswith(INSPECTOR)]

    def get(self, who: str, path: str) -> Any:
        """What is read at an address."""
        answer = self._clients[who].get(path)
        assert answer.status_code == 200, (who, path, answer.text)
        return answer.json()

    def send(self, who: str, path: str, body: Mapping[str, Any], status: int = 200) -> Any:
        """Send what a person does."""
        client = self._clients[who]
        answer = client.post(path, json=body, headers={"origin": str(client.base_url)})
        assert answer.status_code == status, (who, path, body, answer.text)
        return answer.json()

    def work_day(self, day: int, budget: int) -> list[Review]:
        """Let every inspector review what waits, the first of the queue first, no more than `budget` items each."""
        return [
            self._review(name, day, item)
            for name in self.inspectors
            for item in self._waiting(name)[:budget]
        ]  # fmt: skip

    def _waiting(self, name: str) -> list[dict[str, Any]]:
        items = self.get(name, "/api/queue?whose=mine")["items"]
        return [item for item in items if item["outcome"] is None]

    def _review(self, name: str, day: int, listed: Mapping[str, Any]) -> Review:
        number = listed["item_id"]
        shown = self.get(name, f"/api/queue/{number}")
        item, flags = shown["item"], [each for each in shown["flags"] if not (each["withdrawn"] or each["exempted"])]
        misused = self._truth.told_by(map(told, flags))
        if item["why"] == "sample":
            drawn = day_number(date.fromisoformat(item["vehicle_day"]))
            misused = self._truth.on_day(item["vehicle_id"], drawn)
        found = bool(misused) != self._errs(item)
        case_id = None
        if found and item["why"] == "ranked":
            case_id = self._case(name, [each["flag_id"] for each in flags if each["case_id"] is None])
            decision = {"outcome": "case", "case_id": case_id}
        elif found:
            decision = {"outcome": "misuse", "reason": "行程与公务无关。"}
        else:
            decision = {"outcome": "clean", "reason": "行程与单位值班记录相符。"}
        self.send(name, f"/api/queue/{number}/outcome", decision)
        made = day_number(date.fromisoformat(item["day"]))
        return Review(name, day, number, made, item["place"], item["why"], frozenset(misused), found, case_id)

    def _case(self, name: str, flag_ids: list[str]) -> int:
        """Open a case and bring it to its end; returns its number."""
        number: int = self.send(name, "/api/cases", {"flags": flag_ids, "reason": "排序队列复核"}, 201)["case_id"]
        for who, step, said in STEPS:
            self.send(name if who == INSPECTOR else who, f"/api/cases/{number}/{step}", said)
        return number

    def _errs(self, item: Mapping[str, Any]) -> bool:
        key = keys(self._seed, _OF_ERRORS, day_number(date.fromisoformat(item["day"])), item["place"])
        return bool(uniform(key, 0)[0] < self._error_share)


@contextmanager
def office(address: str, names: list[str], truth: Truth, seed: int, error_share: float) -> Iterator[Office]:
    """Sign these people in, once each."""
    with ExitStack() as stack:
        clients = {}
        for name in names:
            client = stack.enter_context(httpx.Client(base_url=address, timeout=60))
            answer = client.post(
                "/sign-in", data={"name": name, "password": PASSWORD}, headers={"origin": address}
            )  # fmt: skip
            assert answer.status_code == 303, answer.text
            clients[name] = client
        yield Office(clients, truth, seed, error_share)


def told(flag: Mapping[str, Any]) -> Told:
    """A flag as the pages give it."""
    start, end = (to_us(datetime.fromisoformat(flag[name])) for name in ("start_time", "end_time"))
    return Told(flag["vehicle_id"], flag["rule"], start, end)
