"""What outcomes of reviews and verdicts of cases say of misuse."""

import pytest

from rules.verdicts import ALLOWED, OUTCOMES, OutcomeError, Reviewed, any_true, checked, misused, truth


@pytest.mark.parametrize(
    ("outcome", "verdicts", "found"),
    [
        ("clean", (), False),
        ("misuse", (), True),
        ("suspicious", (), None),
        ("case", (), None),
        ("case", ("confirmed", "dismissed"), True),
        ("case", ("dismissed",), False),
        ("clean", ("confirmed",), True),
        ("", (), None),
    ],
)
def test_a_verdict_counts_before_an_outcome(outcome: str, verdicts: tuple[str, ...], found: bool | None) -> None:
    assert misused(Reviewed(outcome, verdicts)) is found
    if len(verdicts) < 2:
        assert truth(verdicts[0] if verdicts else None, outcome or None) is found


@pytest.mark.parametrize("why", ["ranked", "sample"])
@pytest.mark.parametrize("outcome", [*OUTCOMES, "", "confirmed"])
def test_an_outcome_is_taken_where_it_is_allowed_and_with_a_reason(why: str, outcome: str) -> None:
    if outcome not in ALLOWED[why]:
        with pytest.raises(OutcomeError, match=f"expected one of .*, got '{outcome}'"):
            checked(why, outcome, "seen on the map")
        return
    assert checked(why, outcome, " seen  on\nthe map ") == "seen on the map"
    if outcome == "case" or (why, outcome) == ("sample", "clean"):
        assert checked(why, outcome, "  ") == ""
        return
    with pytest.raises(OutcomeError, match="expected a text, got none"):
        checked(why, outcome, " \n ")
    with pytest.raises(OutcomeError, match="too short, got 'x'"):
        checked(why, outcome, "x")


def test_one_is_enough_and_the_unknown_leaves_it_open() -> None:
    assert any_true([False, None, True]) is True
    assert any_true([False, None]) is None
    assert any_true([False, False]) is False
    assert any_true([]) is None
