"""Every threshold of the core, named, with its unit and its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers that decide; the defaults hold for cars in a city that report every 1–60 s driving, 5 min parked."""

    teleport_mps: float = 70.0
    """Faster than any official car drives (252 km/h): a position that needs it both in and out was not there."""

    jump_m: float = 300.0
    """A standing car does not make an excursion of this length between two reports and come back; reflections do."""

    jump_span_s: float = 900.0
    """Within this time an excursion and return of a standing car is a reflection, not a trip that went unreported."""

    course_mps: float = 2.0
    """Below this a Doppler course wanders."""

    canyon_m: float = 30.0
    """A place may lie so far from where speed and course lead: noise of both, 2σ of the 15 m that JT/T 794 allows."""

    canyon_mps2: float = 1.6
    """What a car may gain or lose between two reports unseen; a quarter of it times the time squared, in metres."""

    canyon_blind_s: float = 10.0
    """Within this time a car does not leave its line and come back to its course by tens of metres; later it may."""

    canyon_left_share: float = 0.5
    """The jump back undoes the jump away but for this share of it."""

    canyon_s: float = 150.0
    """Longest excursion between tall houses that is known for one; after it nobody can say which side was right."""

    drift_m: float = 50.0
    drift_count: int = 4
    """A parked car's place so far from the middle of its stand drifts; of so many reports at least."""

    frozen_speed_mps: float = 3.0
    """A receiver that repeats its place to the last digit while it reports this speed has frozen."""

    frozen_count: int = 3
    """So many equal places in a row; two may be chance at 10⁻⁶ degrees."""

    frozen_s: float = 900.0
    """So long after it drove a frozen receiver is believed to be frozen still; then the same place is where it parked."""

    moving_mps: float = 1.5
    """Doppler speed of a standing receiver stays under 1 m/s; a walking pace is not driving either."""

    moving_step_m: float = 15.0
    """Where no speed is sent: the 15 m that JT/T 794 allows a fix to be off; two fixes in a row are off together, and by
    much less against each other."""

    unseen_step_m: float = 300.0
    """Further apart than a standing car's noise can carry it, whatever it says of its speed."""

    towed_m: float = 500.0
    """With the ignition off a car that ends up this far away was moved all the same."""

    gap_s: float = 900.0
    """Three missed reports of a parked terminal: a silence, of which nothing is claimed."""

    stop_s: float = 300.0
    """Standing so long is a stop; a red light or a queue is shorter."""

    stop_box_m: float = 150.0
    """Side of the box that holds a stop's positions: noise and drift of a parked receiver in a street canyon."""

    stop_kept_s: float = 240.0
    """A stop may lose a sampling interval at either end when its moving ends are cut off; below this it is a wait."""

    ignition_off_s: float = 180.0
    """Ignition off so long is a stop even where the place is noisy; shorter is a stalled engine."""

    trip_min_m: float = 200.0
    """Shorter movement is parking, or drift; the value is traccar's."""

    trip_min_s: float = 30.0
    """Shorter movement is parking, or drift."""

    trip_reach_m: float = 100.0
    """Somewhere a trip must be this far from where it began; drift goes round and round."""

    departure_mps: float = 8.0
    """Mean speed assumed over the unreported first and last metres of a trip, where the first report is late."""

    pull_out_s: float = 4.0
    """Time a car takes from standing to driving, and back, over and above its metres at that speed."""

    speed_gap_s: float = 45.0
    """Reports further apart than this say too little of the way between them: the odometer tells more, if it can."""

    turn_chord_m: float = 20.0
    """A shorter chord has no direction worth comparing with a course: noise turns it as it likes."""

    hidden_step_m: float = 60.0
    """A car that stands at both ends of a step was driven in between where it is so far away; noise stays below."""

    wobble_chord_m: float = 30.0
    wobble_s: float = 30.0
    wobble_most_m: float = 30.0
    wobbles_least: int = 8
    """Noise is measured on steps at least so long, two within so many seconds, deviations up to so much (a jump is no
    noise), and from so many of them; with fewer no length is taken off."""

    noise_most_share: float = 0.03
    """Noise never takes off more than this share."""

    corner_spread: float = 0.25
    winding_spread: float = 0.15
    bridge_spread: float = 0.2
    odometer_spread: float = 0.0144
    """Standard deviations: of a corner's legs as a share of what they add to the chord; of a step with two turns, and of
    one that was bridged by its chord, as shares of it; of an odometer's growth: ±2.5 % evenly."""

    noise_unknown_m: float = 5.0
    ends_noise: float = 18.0
    steps_noise: float = 0.06
    ends_m: float = 5.0
    """Variance of a trip: so many times that of a step's noise for its ends (errors of places far apart are independent,
    those of neighbouring reports are not), so much more for each step, and so many metres whatever the noise. The
    factors were fitted to trips of simulated fleets of seeds 1 to 3."""

    noise_spread: float = 0.25
    distance_spread: float = 0.0002
    """Standard deviations of what is taken off for noise, and of every metre: bends between two reports."""

    error_circles: float = 2.0
    """A vehicle is surely within so many times its fix's 95 % radius: 6 Gaussian errors in a million lie beyond."""

    top_speed_mps: float = 120 / 3.6
    """No road in China allows more than 120 km/h (道路交通安全法实施条例, article 78)."""

    speed_error_mps: float = 2.0
    """JT/T 794 allows a terminal's speed to be off by so much."""

    speeding_step_s: float = 90.0
    """Two fast reports further apart say too little of the time between: one report a minute, and that one late."""

    outside_count: int = 3
    outside_s: float = 60.0
    """Outside the area counts once so many positions in a row, or so long, lie outside: one bad fix is not a visit."""

    visit_absence_s: float = 600.0
    """Out of a zone and back within two reports of a parked terminal is one visit: noise at the border does that."""

    order_margin_s: float = 1800.0
    """A dispatch order covers half an hour before and after: cars are fetched early and come back late."""

    order_min_cover: float = 0.5
    """A trip belongs to the order that covers at least half of it."""

    card_margin_s: float = 600.0
    """A driver may put in the card so long after setting out."""


DEFAULT = Thresholds()
