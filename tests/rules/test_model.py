"""The model of decided episodes: it finds a planted signal, says how sure it is, and can be computed by hand."""

import numpy as np
import pandas as pd
import pytest

from rules.model import LEAST_OF_EACH, LEAST_VERDICTS, Model, enough, fit, verdicts_hash

PLANTED = {"points": 1.2, "off_hours_share": 0.8, "score_venue": 0.0, "rule a": -0.7}
INTERCEPT = -0.5


def planted(count: int, seed: int) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Episodes whose log odds are linear in standard normal features, and a rule in half of them."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(
        {name: rng.normal(size=count) for name in PLANTED}, index=[f"e{number:05}" for number in range(count)]
    )
    features["rule a"] = (features["rule a"] > 0).astype(np.float64)
    standard = (features - features.mean()) / features.std(ddof=0)
    odds = INTERCEPT + standard @ np.array(list(PLANTED.values()))
    misuse = pd.Series(rng.random(count) < 1 / (1 + np.exp(-odds)), index=features.index)
    return features, misuse


def test_it_recovers_a_planted_signal_within_its_errors() -> None:
    model = fit(*planted(1500, seed=5))
    assert model is not None
    for term in model.terms:
        assert abs(term.coefficient - PLANTED[term.name]) < 3.5 * term.error, term
        assert 0.04 < term.error < 0.1
    assert abs(model.intercept - INTERCEPT) < 3.5 * model.intercept_error


def test_its_errors_are_the_spread_of_its_coefficients() -> None:
    models = [fit(*planted(200, seed)) for seed in range(30)]
    found = np.array([[term.coefficient for term in model.terms] for model in models if model])
    said = np.array([[term.error for term in model.terms] for model in models if model])
    assert len(found) == 30
    np.testing.assert_allclose(found.std(axis=0, ddof=1), said.mean(axis=0), rtol=0.45)


def test_too_few_verdicts_make_no_model() -> None:
    features, misuse = planted(LEAST_VERDICTS, seed=1)
    assert fit(features, misuse) is not None
    assert fit(features.iloc[1:], misuse.iloc[1:]) is None
    assert fit(features, misuse & False) is None
    few = np.arange(200) < LEAST_OF_EACH
    assert enough(few)
    assert not enough(np.arange(200) < LEAST_OF_EACH - 1)
    assert not enough(np.arange(200) >= LEAST_OF_EACH - 1)


def test_one_set_of_verdicts_gives_one_model_whatever_its_order() -> None:
    features, misuse = planted(120, seed=2)
    shuffled = features.sample(frac=1, random_state=3)
    assert fit(features, misuse) == fit(shuffled, misuse.reindex(shuffled.index)) == fit(shuffled, misuse)


def test_another_verdict_has_another_hash() -> None:
    _, misuse = planted(60, seed=4)
    other = misuse.copy()
    other.iloc[7] = not other.iloc[7]
    assert verdicts_hash(misuse) == verdicts_hash(misuse.sample(frac=1, random_state=1)) != verdicts_hash(other)


def test_a_rule_in_few_episodes_and_what_never_varies_have_no_coefficient() -> None:
    features, misuse = planted(80, seed=6)
    rare = features.assign(days=0.0)
    rare["rule rare"] = [1.0] * 4 + [0.0] * 76
    model = fit(rare, misuse)
    assert model is not None
    assert {term.name for term in model.terms} == set(PLANTED)


def test_a_probability_is_computed_by_hand_from_what_is_kept() -> None:
    features, misuse = planted(100, seed=7)
    model = fit(features, misuse)
    assert isinstance(model, Model)
    likely = model.probability(features)
    row = {str(name): float(number) for name, number in features.iloc[3].items()}
    assert model.probability_of(row) == pytest.approx(likely[3], abs=1e-12)
    del row["rule a"]
    assert model.probability_of(row) == pytest.approx(
        model.probability(features.iloc[[3]].drop(columns=["rule a"]))[0], abs=1e-12
    )
