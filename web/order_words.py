"""How dispatch orders read on a page."""

from web.terms import _

ORDER_STATES = {
    "applied": _("applied for"),
    "approved": _("approved"),
    "dispatched": _("vehicle is out"),
    "returned": _("returned"),
    "closed": _("closed"),
    "refused": _("refused"),
    "cancelled": _("cancelled"),
}

STATE_CHIPS = {
    "applied": "yellow", "approved": "prompt", "dispatched": "good", "returned": "prompt", "closed": "off", "refused": "red",
    "cancelled": "off",
}  # fmt: skip
"""State → class of its chip."""

ORDER_ACTIONS = {
    "apply": _("applied for it"),
    "enter": _("entered it afterwards"),
    "approve": _("approved it"),
    "refuse": _("refused it"),
    "cancel": _("cancelled it"),
    "dispatch": _("issued the vehicle"),
    "return": _("took the vehicle back"),
    "close": _("closed it"),
    "imported": _("a file brought it up to date"),
}
"""Step → what it was."""

STEPS = {
    "approve": _("Approve"),
    "refuse": _("Refuse"),
    "cancel": _("Cancel the order"),
    "dispatch": _("Issue the vehicle"),
    "return": _("Take the vehicle back"),
    "close": _("Close"),
}
"""Step → its button."""

PURPOSE_CLASSES = {
    "duty": _("official duty"),
    "law_enforcement": _("law enforcement task"),
    "emergency": _("emergency task"),
    "confidential": _("confidential mail task"),
    "special_technical": _("special technical task"),
    "private_approved": _("approved private use"),
    "other": _("other purpose"),
}

ORDER_FINDINGS = {
    "odometer_beyond_trips": _("The odometer grew more than the trips explain: kilometres without a track."),
    "odometer_short_of_trips": _("The odometer grew less than the trips: it was misread, or was not running."),
    "approved_late": _("It was approved when its time had begun."),
    "entered_late": _("It was entered later than an emergency use may be."),
    "returned_late": _("The vehicle came back after its time."),
}

FACT_NAMES = {
    "reason": _("Reason"),
    "odometer_out_km": _("Odometer at issue"),
    "odometer_in_km": _("Odometer at return"),
    "driver_card": _("Driver's card"),
    "driver": _("Driver"),
    "driver_card_before": _("Card before"),
    "driver_before": _("Driver before"),
    "odometer_out_km_before": _("Odometer before"),
    "token": _("by token"),
}
"""Facts of a step that its line shows; the others stand on the page already."""
