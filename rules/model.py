"""A logistic regression of decided episodes: few named features, each with its coefficient and how sure that is."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from geo.arrays import BoolArray, FloatArray

LEAST_VERDICTS = 50
"""Decided episodes that a model needs."""
LEAST_OF_EACH = 10
"""Of them, with misuse and without: a model of one outcome knows nothing of the other."""
LEAST_WITH_RULE = 5
"""Decided episodes that a rule must be in to have a coefficient of its own."""
PENALTY = 1.0
"""Strength of the L2 penalty on coefficients of standardised features: a normal prior of variance 1 on each."""


@dataclass(frozen=True, slots=True)
class Term:
    """A feature: its mean and standard deviation among the decided, and its coefficient, with its error, per deviation."""

    name: str
    mean: float
    sd: float
    coefficient: float
    error: float


@dataclass(frozen=True, slots=True)
class Model:
    """Log odds of misuse = intercept + Σ coefficient · (feature − mean) / sd; fitted to `verdicts` episodes."""

    terms: tuple[Term, ...]
    intercept: float
    intercept_error: float
    verdicts: int
    misused: int
    verdicts_sha256: str
    penalty: float = PENALTY

    def probability(self, features: pd.DataFrame) -> FloatArray:
        """Probability of misuse of each row; a feature that is not there counts as 0; float64 (n,)."""
        odds = np.full(len(features), self.intercept)
        for term in self.terms:
            given = features[term.name].to_numpy(dtype=np.float64) if term.name in features else np.zeros(len(features))
            odds += term.coefficient * (given - term.mean) / term.sd
        likely: FloatArray = 1 / (1 + np.exp(-odds))
        return likely

    def probability_of(self, features: Mapping[str, float]) -> float:
        """The same for one episode, by hand: what a queue shows can be computed again from what it keeps."""
        odds = self.intercept + sum(
            each.coefficient * (features.get(each.name, 0.0) - each.mean) / each.sd for each in self.terms
        )
        return 1 / (1 + math.exp(-odds))


def enough(misuse: BoolArray) -> bool:
    """Whether so many decided episodes allow a model."""
    return len(misuse) >= LEAST_VERDICTS and min(int(misuse.sum()), int((~misuse).sum())) >= LEAST_OF_EACH


def verdicts_hash(misuse: "pd.Series[bool]") -> str:
    """SHA-256 of the decided episodes (the index) and what was decided, in the order of their names."""
    lines = "".join(f"{episode}\t{int(found)}\n" for episode, found in sorted(misuse.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def fit(features: pd.DataFrame, misuse: "pd.Series[bool]") -> Model | None:
    """The model of decided episodes; None while there are not enough.

    Parameters
    ----------
    features : a row an episode, as `rules.ranking.features` gives them; NaN: it does not have it, as 0.
    misuse : bool, by the same index.

    Notes
    -----
    Features that do not vary, and rules with fewer than LEAST_WITH_RULE episodes, are left out. Errors are the square
    roots of the diagonal of the inverse of XᵀWX + penalty, W = p(1 − p): the normal approximation of the posterior
    (Bishop, Pattern Recognition and Machine Learning, 2006, 4.5.1). Rows are taken in the order of their names, so that
    one set of verdicts gives one model.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - a second to load, needed once a day

    rows = features.fillna(0.0).sort_index()
    truth = misuse.reindex(rows.index).to_numpy(dtype=np.bool_)
    if not enough(truth):
        return None
    seen = (rows != 0).sum()
    rare = [name for name in rows.columns if name.startswith("rule ") and seen[name] < LEAST_WITH_RULE]
    rows = rows.drop(columns=rare)
    sd = rows.std(ddof=0)
    rows = rows.loc[:, sd > 1e-9]
    mean, sd = rows.mean(), sd[rows.columns]
    standard = ((rows - mean) / sd).to_numpy(dtype=np.float64)
    fitted = LogisticRegression(C=1 / PENALTY, tol=1e-8, max_iter=10_000).fit(standard, truth)
    coefficients, intercept = fitted.coef_[0], float(fitted.intercept_[0])
    errors = _errors(standard, coefficients, intercept)
    terms = zip(rows.columns, mean, sd, coefficients, errors[1:], strict=True)
    return Model(
        tuple(Term(str(name), *(round(float(each), 9) for each in numbers)) for name, *numbers in terms),
        round(intercept, 9),
        round(float(errors[0]), 9),
        len(truth),
        int(truth.sum()),
        verdicts_hash(misuse.reindex(rows.index).astype(bool)),
    )


def _errors(standard: FloatArray, coefficients: FloatArray, intercept: float) -> FloatArray:
    """Standard errors, the intercept's first."""
    design = np.column_stack((np.ones(len(standard)), standard))
    likely = 1 / (1 + np.exp(-(intercept + standard @ coefficients)))
    curvature = design.T @ (design * (likely * (1 - likely))[:, None])
    penalty = np.diag([0.0, *[PENALTY] * len(coefficients)])
    errors: FloatArray = np.sqrt(np.diag(np.linalg.inv(curvature + penalty)))
    return errors
