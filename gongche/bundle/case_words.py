"""English texts for what cases and their steps carry; Chinese ones stand in web/locale/zh/bundle.po."""

from collections.abc import Mapping
from typing import Any

from web.i18n import Words


def _(text: str) -> str:
    """Mark a text for translation; it is translated where it is shown."""
    return text


STATES = {
    "flagged": _("flagged, not assigned yet"),
    "assigned": _("assigned to an inspector"),
    "explanation_asked": _("the unit was asked to explain"),
    "explained": _("the unit has explained"),
    "confirmed": _("confirmed as misuse"),
    "dismissed": _("dismissed as no misuse"),
    "dealt_with": _("persons were dealt with"),
    "rectified": _("rectified by the unit"),
    "appealed": _("appealed against"),
    "upheld": _("the finding was upheld"),
    "reopened": _("opened again"),
    "closed": _("the case is closed"),
}
"""State of a case → what it says."""

SUBJECTS = {
    "trip": _("Flagged trip"),
    "dark": _("Silence of the terminal"),
    "night": _("Night away from the base"),
    "refuel": _("Refuelling in question"),
    "card": _("Driver's card in question"),
    "month": _("Month in question"),
    "seal": _("Sealing for a holiday"),
}
"""What flags are on; another kind says itself."""


def state(name: str | None, words: Words) -> str:
    """A state in words; a dash for none."""
    return "—" if name is None else words.text(STATES.get(name, name))


def facts(values: Mapping[str, Any]) -> str:
    """Facts by name in one line."""
    return "; ".join(f"{name}: {value}" for name, value in values.items())
