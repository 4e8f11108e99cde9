"""Every threshold of the evidence of private use, named, with its unit and its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvidenceThresholds:
    """Numbers that decide what is evidence, and what clears it."""

    window_days: int = 28
    """Four weeks up to and including the day: what is weekly shows four times, and a duty of last quarter does not."""

    same_place_m: float = 300.0
    """Two parkings at one estate or school gate: a block apart, and two fixes of 15 m."""

    place_m: float = 500.0
    """Standing so near an order's destination is being there: the next free place to park, the other gate."""

    base_m: float = 300.0
    """Beyond the edge of its base a car still stands at it so near: the street before a full yard."""

    road_factor: float = 1.4
    """Driven metres to straight ones: 1.33 on China's roads (Ballou, Rahardja & Sakai 2002), √2 on a grid of streets."""

    detour_free_m: float = 3000.0
    """One-way streets, works, a turn missed: so much beyond the usual way asks for no reason."""

    detour_full_m: float = 10_000.0
    """A detour of so much beyond that gives all its points: it is a journey of its own."""

    dwell_s: float = 600.0
    """Shorter is to drop or fetch a person or a thing; who visits a venue or a home stays longer."""

    lunch_from_h: float = 11.0
    lunch_to_h: float = 13.5
    """Arrival at a restaurant between these hours of a day of duty may be the meal of people at work."""

    lunch_s: float = 5400.0
    """A working lunch ends within an hour and a half."""

    lunch_way_m: float = 3000.0
    """And is eaten near the place of work one comes from."""

    order_near_s: float = 7200.0
    """An approved order so near in time may have been entered with the wrong hours."""

    reader_silent_days: int = 3
    """On so many days of use without any card the reader is broken rather than the driver careless."""

    recurring_days: int = 3
    """Twice at one place may be chance; three days at the same hour within four weeks are a habit."""

    same_hour_s: float = 3600.0
    """About the same time of day: within an hour."""

    school_hours: tuple[tuple[float, float], ...] = ((6.5, 8.75), (11.25, 14.5), (15.5, 18.75))
    """When children are brought and fetched: morning, the noon break, and the end with after-school care."""

    school_dwell_s: float = 2700.0
    """Waiting for a child; who works at the school stays longer."""

    rest_s: float = 1200.0
    """A rest of twenty minutes breaks driving (道路交通安全法实施条例, article 62: after four hours at the latest)."""

    night_from_h: float = 0.0
    night_to_h: float = 5.0
    """Where a car stands longest between midnight and five it sleeps: late duties have ended, early ones not begun."""

    night_min_s: float = 7200.0
    """Less than two hours of that seen in one place say nothing of the night."""

    away_m: float = 500.0
    """A night farther than this from the base's edge is spent away from it."""

    learned_nights: int = 5
    """A base is learned from a working week of nights at one place, and more than half of those known."""

    dark_s: float = 600.0
    """Without a usable fix so long, twice what a parked terminal takes between reports."""

    dark_m: float = 1000.0
    """Metres in the dark that are worth an entry: more than moving within a car park, or an odometer's rounding."""

    dark_full_m: float = 2000.0
    """Metres in the dark that give the interference all its points."""

    dark_near_s: float = 1800.0
    """A trip so shortly before or after belongs to the same outing as the silence."""

    carried_share: float = 0.1
    """An odometer that grew by less of the way was not driven: a ferry, a breakdown lorry."""

    witness_m: float = 2000.0
    """Other vehicles within this about either end of a silence share its masts."""

    witness_silent: int = 2
    """So many other vehicles silent there and then, and more than reported, make it a hole in the coverage."""

    drift_mps: float = 3.0
    """A car that never went faster than a run was not driven a kilometre; its place wandered."""

    drift_share: float = 0.2
    """Nor was one whose odometer grew by less of the metres than this."""


DEFAULT = EvidenceThresholds()
