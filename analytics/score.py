"""Private use: a score that is a sum of named parts, each with its points and its reason."""

import pandas as pd

PARTS = {
    "score_no_order": (30.0, "no dispatch order covers the trip"),
    "score_off_hours": (25.0, "the share of its time outside duty hours"),
    "score_rest_day": (10.0, "it began on a weekend or public holiday"),
    "score_venue": (20.0, "it ended at a controlled venue"),
    "score_residence": (15.0, "it ended at a residence, or began at one, outside duty hours"),
    "score_out_of_area": (15.0, "the share of its metres outside the permitted area"),
    "score_no_card": (10.0, "no driver's card was in"),
}
"""Part → (points at most, reason). The sum is cut at 100."""

ROUND_THE_CLOCK = frozenset({"emergency"})
"""Classes whose work knows no hours: the parts that rest on the hour give them no points."""


def private_score(trips: pd.DataFrame) -> pd.DataFrame:
    """The parts and their sum for each trip.

    Parameters
    ----------
    trips : columns dispatch_order (missing without one), vehicle_class, off_hours_share, rest_day, residence,
        destination_controlled, out_of_area_share, card_missing (0 … 1, NaN unknown: no points).

    Returns
    -------
    DataFrame   Columns of PARTS and `private_score`, their sum to a tenth of a point, 0 … 100. A trip under
    a dispatch order scores 0 in all: what an order allows is not private, whether it keeps to its order is another
    question.
    """
    without_order = (trips["dispatch_order"].isna()).astype(float)
    day_work = (~trips["vehicle_class"].isin(ROUND_THE_CLOCK)).astype(float)
    evidence: dict[str, pd.Series[float]] = {
        "score_no_order": without_order,
        "score_off_hours": trips["off_hours_share"] * day_work,
        "score_rest_day": trips["rest_day"] * day_work,
        "score_venue": trips["destination_controlled"],
        "score_residence": trips["residence"] * (trips["off_hours_share"] > 0) * day_work,
        "score_out_of_area": trips["out_of_area_share"],
        "score_no_card": trips["card_missing"].fillna(0.0),
    }
    scores = pd.DataFrame(
        {name: evidence[name] * points * without_order for name, (points, _) in PARTS.items()}, index=trips.index
    ).round(1)  # before they are summed, so that the parts a person reads add up to the sum
    return scores.assign(private_score=scores.sum(axis=1).round(1).clip(upper=100.0))
