"""Every threshold of records beside the positions: refuelling, cards, vehicle-months. Named, with unit and reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordThresholds:
    """Numbers that decide what a record is held against."""

    receipt_s: float = 600.0
    """A receipt is printed when one pays, by the station's own clock: where the vehicle was so long before and after
    counts as where it was then."""

    fastest_mps: float = 120 / 3.6
    """The limit on motorways: faster no car came to a station within what is left of that time."""

    gauge_s: float = 3600.0
    """The gauge is read within an hour before and after: a float settles and terminals report minutes apart."""

    since_days: int = 92
    """A refuelling longer ago than a quarter says nothing about the consumption of today."""

    consumption_m: float = 20_000.0
    """Over less way the litres of a tank filled more or less full say nothing about consumption."""

    card_in_s: float = 43_200.0
    """A card that was put in and never taken out is in for twelve hours at most: the longest shift."""

    unit_vehicles: int = 5
    """Fewer vehicles have no usual mileage or consumption that one of them could differ from."""

    spread_share: float = 0.05
    """Vehicles of a unit that drive nearly alike still differ by chance: the spread is never taken as less than so much
    of the median."""


DEFAULT = RecordThresholds()
