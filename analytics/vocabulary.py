"""The words of what is found, as rules name them: kinds of places, causes of silences, and the features of each subject.

They stand apart from what finds them, so that who reads rules loads neither kernels nor tables.
"""

from analytics.parts import PARTS

KINDS = (
    "base", "work_site", "golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel",
    "customer", "residential", "district", "city", "province",
)  # fmt: skip
"""Kinds of zones, the most telling first: a base inside a district is the base."""

CONTROLLED_VENUES = frozenset({"golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel"})
"""Venues under strict control: golf courses, entertainment, bath houses, hotels, schools; and restaurants."""

DARK_CAUSES = ("power_cut", "antenna", "no_fix", "carried", "coverage", "unknown")
"""What an entry is attributed to, the first that holds: the terminal told that it lost its power, or its antenna; it
reported on without a fix, as in garages and tunnels; the odometer stood still; other vehicles were silent there and
then; nothing of these."""

DARK_CAUSE_WORDS = {
    "no_fix": "the terminal reported on without a fix, as in garages and tunnels",
    "carried": "the odometer stood still: a ferry, a breakdown lorry",
    "coverage": "other vehicles were silent there and then too",
}
"""Those of DARK_CAUSES that are innocent → in words."""

INTERFERENCE = frozenset({"power_cut", "antenna"})

TRIP_FEATURES = {
    "distance_m": ("m", "length of the way driven"),
    "odometer_m": ("m", "growth of the terminal's odometer; missing where it sends none"),
    "duration_s": ("s", "from setting out to coming to rest"),
    "moving_s": ("s", "time in motion"),
    "max_speed_mps": ("m/s", "highest speed reported"),
    "speeding_s": (
        "s",
        "longest stretch above 120 km/h, which no road allows, by more than a terminal errs; missing without speeds",
    ),
    "unbroken_s": ("s", "time driven up to its end since the last rest of twenty minutes"),
    "idle_s": (
        "s",
        "longest stand with the engine on, on the way or at the rest after it; missing where ignition is never known",
    ),
    "off_hours_s": ("s", "time outside the duty calendar"),
    "off_hours_m": ("m", "way driven outside the duty calendar"),
    "off_hours_share": ("", "share of the time outside the duty calendar"),
    "out_of_area_s": ("s", "time outside the permitted area"),
    "out_of_area_m": ("m", "way driven outside the permitted area"),
    "out_of_area_share": ("", "share of the way outside the permitted area"),
    "out_of_district_m": ("m", "way driven outside the district it is at home in; missing where it has none"),
    "out_of_city_m": ("m", "way driven outside the city it is at home in; missing where it has none"),
    "out_of_province_m": ("m", "way driven outside the province it is at home in; missing where it has none"),
    "dispatch_order": ("", "number of the dispatch order that covers the trip; missing without one"),
    "order_cover": ("", "share of the time that the best order covers"),
    "order_overrun_s": ("s", "time before its dispatch order begins and after it ends; missing without an order"),
    "order_away_m": (
        "m",
        "how far an end lies from where its dispatch order leads; missing without an order that names a place",
    ),
    "driver_card": ("", "driver's card that was in; missing without one"),
    "card_missing": ("", "1 no card was in, 0 one was; missing where the vehicle never reports cards"),
    "rest_day": ("", "1 when it began on a weekend or public holiday by the duty calendar"),
    "holiday": ("", "1 when it began on a public holiday by the duty calendar"),
    "origin_kind": ("", "kind of the zone it began in"),
    "destination_kind": ("", "kind of the zone it ended in"),
    "destination_controlled": ("", "1 when it ended at a controlled venue"),
    "venue_dwell_s": (
        "s",
        "longest stand at a controlled venue, on the way or at the rest after it, to noon of the next day",
    ),
    "venue_kind": ("", "kind of the controlled venue it stood at longest"),
    "residence": ("", "1 when it began or ended at a residence"),
    "vehicle_class": ("", "class of the vehicle"),
    "dwell_s": ("s", "time it stood where the trip ends; a day where that goes past midnight"),
    "stood_s": ("s", "time it stood where the trip began; a day where that goes past midnight"),
    "detour_m": ("m", "way beyond what the dispatch order explains; missing without an order that names a place"),
    "detour_ratio": ("", "way driven, in usual ways to what the dispatch order explains"),
    "unnamed_stop": ("", "1 when it led to or from a home or controlled venue that its dispatch order does not name"),
    "recurring_days": ("", "days of four weeks with a trip to the same place at the same hour, none under an order"),
    "school_run_days": ("", "days of four weeks with a short call at the same school when children come and go"),
    "home_work_days": ("", "nights of four weeks spent away from the base where it ended or began"),
    "reader_silent_days": (
        "",
        "days of use since a driver's card was last reported; missing where none was in four weeks",
    ),
    "dark_m": ("m", "way made without a usable fix within the trip or beside it"),
    "sealed": ("", "1 when the vehicle was sealed for a holiday when it began"),
    "private_score": ("points", "evidence of private use, 0 to 100"),
    **{name: ("points", part.reason) for name, part in PARTS.items()},
}
"""Name → (unit, sentence) of everything that a rule's condition may name of a trip."""

DARK_FEATURES = {
    "dark_m": (
        "m",
        "way made without a usable fix: growth of the odometer or distance of the places, whichever is more",
    ),
    "dark_s": ("s", "time without a usable fix"),
    "dark_cause": ("", "what the silence is attributed to"),
    "off_hours_s": ("s", "time outside the duty calendar"),
    "off_hours_share": ("", "share of the time outside the duty calendar"),
    "dispatch_order": ("", "number of the dispatch order that covers the silence; missing without one"),
    "order_cover": ("", "share of the time that the best order covers"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything that a rule's condition may name of an entry of the dark ledger."""

NIGHT_FEATURES = {
    "base_m": ("m", "how far from the edge of its declared base it slept; missing where none is declared"),
    "night_s": ("s", "time it stood there between midnight and five"),
    "nights_here": ("", "nights of four weeks at this place, this one counted"),
    "learned_base_m": ("m", "how far the base that its nights teach lies from the declared one; missing without both"),
    "night_kind": ("", "kind of the zone it slept in"),
    "dispatch_order": ("", "number of the dispatch order that covers the night; missing without one"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything a rule's condition on a night may name."""

CARD_FEATURES = {
    "overlap_s": ("s", "time for which the card was in another vehicle too"),
    "apart_m": ("m", "farthest that the two vehicles stood apart in that time; missing where it is unknown"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything that a rule's condition may name of a card in two vehicles."""

REFUEL_FEATURES = {
    "refuel_l": ("L", "litres charged"),
    "over_tank_l": (
        "L",
        "litres beyond what the tank could take: its size less what the gauge showed before, where that is known",
    ),
    "unseen_l": ("L", "litres that the fuel gauge did not rise by within an hour; missing without a gauge"),
    "apart_m": (
        "m",
        "how far from the station the vehicle was all the time about then, at least; missing where either is unknown",
    ),
    "since_m": ("m", "way driven since the refuelling before; missing without one, or with a day that nobody observed"),
    "l_100km": ("L/100 km", "litres charged for 100 km of the way since the refuelling before"),
    "consumption_ratio": ("", "that consumption in the declared one"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything that a rule's condition may name of a refuelling."""

SEAL_FEATURES = {
    "odometer_growth_m": (
        "m",
        "growth of the odometer as read at sealing and unsealing; missing until both are entered",
    ),
    "moved_m": ("m", "way driven while it was sealed"),
    "odometer_gap_m": ("m", "growth of the odometer beyond the way driven; missing as the growth"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything that a rule's condition may name of a seal."""

MONTH_FEATURES = {
    "distance_m": ("m", "way driven in the month"),
    "unit_median_m": ("m", "median of the vehicles of its unit and class in that month; missing where they are few"),
    "unit_vehicles": ("", "vehicles of its unit and class that were observed in the month"),
    "unit_ratio": ("", "way driven in that median"),
    "unit_z": ("", "way beyond that median, in robust standard deviations of these vehicles"),
    "l_100km": (
        "L/100 km",
        "litres charged for 100 km, over the month's refuellings with a known way since the one before",
    ),
    "consumption_ratio": ("", "that consumption in the declared one"),
    "consumption_z": (
        "",
        "that ratio beyond the median of its unit and class, in their robust standard deviations; missing where few have one",
    ),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything that a rule's condition may name of a vehicle-month."""
