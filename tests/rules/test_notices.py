"""Who is told of what."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rules.notices import KINDS, RETRY_AFTER_MIN, Happening, Person, next_attempt_min, recipients
from web.notice_words import NOTICE_KINDS, notice_link

CITY, BUREAU, OFFICE = 1, 2, 3
ADMIN, INSPECTOR, OTHER, AUDITOR = (
    Person(number, role, None) for number, role in enumerate(("admin", "inspector", "inspector", "auditor"), start=1)
)
OF_CITY, OF_BUREAU = Person(5, "manager", CITY), Person(6, "manager", BUREAU)
PEOPLE = (ADMIN, INSPECTOR, OTHER, AUDITOR, OF_CITY, OF_BUREAU)
CASE = Happening("case", 7, "case ask", (OFFICE, BUREAU, CITY), actor=INSPECTOR.user_id, assigned=INSPECTOR.user_id)


def test_the_nearest_unit_with_a_manager_is_asked_and_no_one_above_it() -> None:
    assert recipients(CASE, PEOPLE) == (OF_BUREAU.user_id,)
    assert recipients(replace(CASE, units=(CITY,)), PEOPLE) == (OF_CITY.user_id,)
    assert recipients(replace(CASE, units=(OFFICE,)), PEOPLE) == ()


def test_the_inspector_is_told_of_an_explanation_and_nobody_of_the_own_step() -> None:
    explained = replace(CASE, kind="case explain", actor=OF_BUREAU.user_id)
    assert recipients(explained, PEOPLE) == (INSPECTOR.user_id,)
    assert recipients(replace(explained, actor=INSPECTOR.user_id), PEOPLE) == ()
    assert recipients(replace(explained, assigned=None), PEOPLE) == ()


def test_a_red_card_reaches_the_administrators_too() -> None:
    red, yellow = (replace(CASE, kind=f"case {card} card", actor=None) for card in ("red", "yellow"))
    assert set(recipients(red, PEOPLE)) - set(recipients(yellow, PEOPLE)) == {ADMIN.user_id}


def test_a_request_to_unlock_goes_to_whoever_may_answer_and_the_answer_to_the_asker() -> None:
    asked = Happening("unlock", 1, "unlock asked", (BUREAU,), actor=OTHER.user_id, asker=OTHER.user_id)
    assert recipients(asked, PEOPLE) == (ADMIN.user_id, INSPECTOR.user_id)
    allowed = replace(asked, kind="unlock allowed", actor=ADMIN.user_id)
    assert recipients(allowed, PEOPLE) == (OTHER.user_id,)


def test_a_step_that_is_in_no_row_is_nobodys_news() -> None:
    assert recipients(replace(CASE, kind="case attach"), PEOPLE) == ()


@given(st.permutations(PEOPLE), st.sampled_from(sorted(KINDS)), st.sampled_from([None, 1, 2, 5, 6, 99]))
def test_the_order_of_people_does_not_count_and_only_known_ones_are_told(
    people: list[Person], kind: str, actor: int | None
) -> None:
    happening = replace(CASE, kind=kind, actor=actor, asker=99)
    told = recipients(happening, people)
    assert told == recipients(happening, PEOPLE)
    assert set(told) <= {person.user_id for person in PEOPLE} - {actor}


def test_every_kind_says_something_and_leads_somewhere() -> None:
    assert set(NOTICE_KINDS) == set(KINDS)
    assert notice_link("case ask", "12") == "/cases/12"
    assert notice_link("order apply", "D/1 ä") == "/orders/D%2F1%20%C3%A4"
    assert notice_link("unlock asked", "3") == "/unlocks"


def test_attempts_wait_longer_each_time_and_end() -> None:
    waits = [next_attempt_min(attempts) for attempts in range(1, 8)]
    assert waits == [*RETRY_AFTER_MIN, None, None]
    assert list(RETRY_AFTER_MIN) == sorted(RETRY_AFTER_MIN)
