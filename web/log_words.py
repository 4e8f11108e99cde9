"""How entries of the log read on a page."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from web.case_words import CASE_LOG
from web.terminal_words import COMMAND_KINDS, facts_line


def _(text: str) -> str:
    """Mark a text for translation; it is translated where it is shown."""
    return text


LOG_KINDS = {"access": _("Look"), "decision": _("Decision"), "setting": _("Setting"), "rule": _("Rule")}

ROLES = {
    "manager": _("manager"),
    "inspector": _("inspector"),
    "auditor": _("auditor"),
    "admin": _("administrator"),
}

PURPOSES = {
    "review": _("Review of a flag"),
    "case": _("Work on a case"),
    "explanation": _("Explanation of the unit"),
    "management": _("Management of the own fleet"),
    "complaint": _("A complaint or tip-off"),
    "audit": _("An audit"),
    "other": _("Something else"),
}
"""Kinds of purposes, as `store.purposes.KINDS`."""

_SHOWN_APART = {"plate", "who"}
_TERMINAL = "terminal "
LOG_ACTIONS = {
    "review item": _("opened a review"),
    "review decided": _("decided a review"),
    "queue made": _("made the queue of a day"),
    "vehicle": _("looked at a vehicle"),
    "trip": _("looked at a trip"),
    "mileage of a trip": _("looked at the mileage of a trip"),
    "purpose stated": _("stated a purpose"),
    "unlock asked": _("asked to unlock a vehicle"),
    "unlock allowed": _("allowed the unlocking of a vehicle"),
    "unlock refused": _("refused the unlocking of a vehicle"),
    "terminal": _("looked at a terminal"),
    "terminal media": _("fetched a file of a terminal"),
    "terminal approved": _("approved a terminal"),
    "terminal refused": _("refused a terminal"),
    "terminal refusal undone": _("let a refused terminal wait again"),
    "calendar edited": _("edited a duty calendar"),
    "calendar filled": _("filled a year of a duty calendar"),
    "calendar of a class": _("chose the calendar of a class"),
    "price edited": _("edited a price of fuel"),
    "price removed": _("removed a price of fuel"),
    "imported": _("imported a file"),
    "refuelling entered": _("entered refuelling"),
    "vehicle sealed": _("sealed a vehicle"),
    "vehicle unsealed": _("unsealed a vehicle"),
    "exported": _("exported rows"),
    "user added": _("added a person"),
    "email of a person": _("set the address of a person"),
    "in force": _("in force since this start"),
    "case bundle asked for": _("asked for an evidence bundle"),
    "case bundle given out": _("was given an evidence bundle"),
    "order apply": _("applied for a dispatch order"),
    "order enter": _("entered an emergency use"),
    "order approve": _("approved a dispatch order"),
    "order refuse": _("refused a dispatch order"),
    "order cancel": _("cancelled a dispatch order"),
    "order dispatch": _("issued a vehicle"),
    "order return": _("took a vehicle back"),
    "order close": _("closed a dispatch order"),
    "exemption added": _("added an exemption"),
    "exemption ended": _("ended an exemption"),
    "token made": _("made a token"),
    "token revoked": _("revoked a token"),
    **CASE_LOG,
    **{_TERMINAL + kind: text for kind, text in COMMAND_KINDS.items()},
}
"""Action of an entry → what it says; an action of another release says itself."""


_PAGES = {
    "vehicle": "/vehicles/",
    "trip": "/trips/",
    "mileage of a trip": "/trips/",
    **dict.fromkeys(("purpose stated", "unlock asked", "unlock allowed", "unlock refused"), "/vehicles/"),
    **dict.fromkeys(("review item", "review decided"), "/queue/"),
    **dict.fromkeys(CASE_LOG, "/cases/"),
    **{action: "/orders/" for action in LOG_ACTIONS if action.startswith("order ")},
}
"""Action of an entry → beginning of the address of its subject's page."""


def subject_link(action: str, subject: str) -> str:
    """Where the subject of an entry is shown; empty where it has no page."""
    if action == "terminal" or action.startswith(_TERMINAL):
        return f"/terminals/{subject}" if " " not in subject else ""
    return f"{_PAGES[action]}{quote(subject, safe='')}" if action in _PAGES else ""


def shown_subject(subject: str, facts: Mapping[str, Any]) -> str:
    """The subject of an entry as a person knows it: a plate in place of a number of ours."""
    plate = facts.get("plate")
    return str(plate) if plate else subject


def log_facts(facts: Mapping[str, Any]) -> str:
    """The facts of an entry that stand in no column of their own, in one line, what was before what is."""
    names = sorted(facts, key=lambda name: (name != "old", name != "new"))
    return facts_line({name: facts[name] for name in names if name not in _SHOWN_APART})
